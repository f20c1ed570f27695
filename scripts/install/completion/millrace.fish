# Completion of millrace in fish, by the program's own tables.

function __millrace_complete
    set -l words (commandline -opc)
    set -l unfinished (string unescape -- (commandline -ct))
    for line in ($words[1] help --complete -- $words[2..] "$unfinished" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (commandline -ct)
            case :directories
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end

complete -c millrace -f -a '(__millrace_complete)'
