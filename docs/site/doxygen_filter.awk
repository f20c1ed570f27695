# Says in Doxygen's words what the public headers say in theirs. A member is described behind it, in lines that begin
# with "//"; parameters of a function in rows "///   name  what it is"; a file, in its first lines.
NR == 1 {
    print "/// @file"
}
{
    if (match($0, /[;,)] +\/\/ /)) {
        sub(/ \/\/ /, " ///< ")
        is_behind = 1
    } else if (is_behind && /^ +\/\/ /) {
        sub(/\/\/ /, "///< ")
    } else {
        is_behind = 0
        if (match($0, /^\/\/\/ +[a-z_]+(, [a-z_]+)*  +/) && /^\/\/\/  +/)
            sub(/^\/\/\/ +/, "/// @param ")
    }
    print
}
