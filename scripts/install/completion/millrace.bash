# Completion of millrace in bash, by the program's own tables. Needs the package bash-completion.
# shellcheck shell=bash disable=SC2154 # cur, words and cword: set by _get_comp_words_by_ref

_millrace() {
    local cur words cword line joined
    _get_comp_words_by_ref -n := cur words cword
    # bash replaces what stands after the last : or =, so that candidates begin there.
    joined=${cur%"${cur##*[:=]}"}
    words=("${words[@]//\\/}") # as they are meant, without the backslashes before spaces
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
        :files) _filedir ;;
        :directories) _filedir -d ;;
        *)
            line=${line%%$'\t'*}
            [[ $line != *[/=:] ]] || compopt -o nospace
            COMPREPLY+=("$(printf '%q' "${line#"$joined"}")")
            ;;
        esac
    done < <("${words[0]}" help --complete -- "${words[@]:1:cword}" 2>/dev/null)
}

complete -F _millrace millrace
