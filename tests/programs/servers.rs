//! 20 to 28: one HTTP server after another.
