//! **Every measured number that the texts quote**, as one table from one command, on this kernel.
//!
//!     cargo bench --bench facts
//!     cargo bench --bench facts -- edge        only rows with this word
//!
//! Each row is one function. `rules.rs` has what Linux does everywhere: the second column is what
//! came, and `tests/it/facts.rs` holds it to what must come. `measured.rs` has what depends on the
//! machine. Loopback delivers within the sending call, so no experiment has to wait for a network.
//!
//! What a wait costs among N idle descriptors is `--bench selectors`.

#![allow(
    clippy::disallowed_methods,
    reason = "an experiment has both ends of a connection"
)]

mod measured;
mod rules;
mod tools;

fn main() {
    let words: Vec<_> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    // "The same, …" goes with the row above it.
    let mut is_above = false;
    let mut wanted = |name: &str| {
        let found = words.iter().all(|word| name.contains(word.as_str()));
        is_above = found || is_above && name.starts_with("the same");
        is_above
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    let release = release.unwrap_or_default();
    println!(
        "Linux {}\n",
        release.split(['-', '\n']).next().unwrap_or_default()
    );
    for (name, experiment, expected) in rules::RULES.iter().filter(|rule| wanted(rule.0)) {
        let came = experiment();
        match came == *expected {
            true => println!("{name:<66}  {came}"),
            false => println!("{name:<66}  {came} (elsewhere: {expected})"),
        }
    }
    println!();
    for (name, experiment) in measured::MEASURED.iter().filter(|row| wanted(row.0)) {
        println!("{name:<66}  {}", experiment());
    }
}
