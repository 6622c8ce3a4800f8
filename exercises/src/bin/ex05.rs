//! Judges `05_writable_left_armed/todo.rs`.

#[path = "../../05_writable_left_armed/todo.rs"]
pub mod answer;
#[path = "../../05_writable_left_armed/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
