//! Judges `17_chunked/todo.rs`.

#[path = "../../17_chunked/todo.rs"]
pub mod answer;
#[path = "../../17_chunked/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
