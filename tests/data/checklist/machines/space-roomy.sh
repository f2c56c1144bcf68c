# Room everywhere.
version coreutils
ask_space
