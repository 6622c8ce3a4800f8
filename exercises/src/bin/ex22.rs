//! Judges `22_catch_it/todo.rs`.

#[path = "../../22_catch_it/todo.rs"]
pub mod answer;
#[path = "../../22_catch_it/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
