//! borg repositories, by borg's own command line.
