//! Judges `06_reading_not_wanted/todo.rs`.

#[path = "../../06_reading_not_wanted/todo.rs"]
pub mod answer;
#[path = "../../06_reading_not_wanted/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
