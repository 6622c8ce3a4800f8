//! 05 to 07: one thread that waits for several things.

use crate::harness::{Ended, Program};

#[test]
fn stdin_is_waited_for_with_a_time_out() {
    let mut program = Program::run::<&str>("05_select_stdin", &[]);
    // Two lines at once: the tutorial would have kept the second one.
    program.type_in("数据\nsecond\n");
    assert_eq!(program.line(), "select get stdin \"数据\"");
    assert_eq!(program.line(), "select get stdin \"second\"");
    program.expect("nothing for a second");
    program.type_in("half a l");
    program.type_in("ine");
    program.close_stdin();
    program.expect("select get stdin \"half a line\"");
    assert_eq!(program.end(), Ended::Code(0));
    assert!(program.told.ends_with("end of input\n"));
}

#[test]
fn stdin_without_lines_does_not_fill_the_memory() {
    let mut program = Program::run::<&str>("05_select_stdin", &[]);
    program.type_in(&"x".repeat(20_000));
    program.close_stdin();
    assert_eq!(program.end(), Ended::Code(0));
    assert!(program.told.lines().count() > 4, "{}", program.told);
}
