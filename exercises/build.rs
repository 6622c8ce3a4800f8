//! Lists every answer of every exercise for `src/bin/prove.rs`: a folder that is there is proved.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let mut modules = String::new();
    let mut table = String::from("pub const ALL: &[Exercise] = &[\n");
    for folder in entries(&root) {
        let name = name(&folder);
        let Some(number) = name.split('_').next().filter(|n| n.parse::<u32>().is_ok()) else {
            continue;
        };
        println!("cargo::rerun-if-changed={}", folder.display());
        let check = folder.join("check.rs");
        let _ = writeln!(table, "    Exercise {{ folder: {name:?}, answers: &[");
        for answer in entries(&folder) {
            let answer_name = name_of_answer(&answer);
            let Some(answer_name) = answer_name else {
                continue;
            };
            let module = format!("ex{number}_{answer_name}");
            let _ = writeln!(
                modules,
                "mod {module} {{\n    #[path = {answer:?}]\n    pub mod answer;\n    #[path = {check:?}]\n    pub mod check;\n}}"
            );
            let _ = writeln!(table, "        ({answer_name:?}, {module}::check::check),");
        }
        table.push_str("    ] },\n");
    }
    table.push_str("];\n");
    println!("cargo::rerun-if-changed={}", root.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("answers.rs"), modules + &table).expect("OUT_DIR can be written");
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// `todo`, `solution` or `wrong_…`.
fn name_of_answer(path: &Path) -> Option<String> {
    let name = name(path);
    let stem = name.strip_suffix(".rs")?;
    (stem == "todo" || stem == "solution" || stem.starts_with("wrong_")).then(|| stem.to_owned())
}
