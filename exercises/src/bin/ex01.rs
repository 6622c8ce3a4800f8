//! Judges `01_split_request/todo.rs`.

#[path = "../../01_split_request/todo.rs"]
pub mod answer;
#[path = "../../01_split_request/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
