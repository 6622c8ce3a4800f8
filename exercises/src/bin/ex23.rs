//! Judges `23_short_file/todo.rs`.

#[path = "../../23_short_file/todo.rs"]
pub mod answer;
#[path = "../../23_short_file/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
