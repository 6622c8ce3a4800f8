//! Judges `02_two_in_one_read/todo.rs`.

#[path = "../../02_two_in_one_read/todo.rs"]
pub mod answer;
#[path = "../../02_two_in_one_read/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
