//! 00 to 13: the programs of the tutorial.
