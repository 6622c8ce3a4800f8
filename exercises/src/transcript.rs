//! The end of a transcript, short enough to be read.

/// The last lines. What repeats itself is there once, so that one sees what came before it.
pub fn last(lines: &[&str]) -> Vec<String> {
    let mut folded = fold(lines);
    folded.split_off(folded.len().saturating_sub(LINES_SHOWN))
}

fn fold(lines: &[&str]) -> Vec<String> {
    let mut folded = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let repeats = (1..=PERIOD_MAX).map(|period| (period, repeats(rest, period)));
        let found = repeats.into_iter().find(|(_, times)| *times >= TIMES_MIN);
        let (period, times) = found.unwrap_or((1, 1));
        folded.extend(rest[..period].iter().map(|line| (*line).to_owned()));
        match period {
            _ if times == 1 => {}
            1 => folded.push(format!("    the same, × {times}")),
            _ => folded.push(format!("    these {period} lines, × {times}")),
        }
        rest = &rest[period * times..];
    }
    folded
}

/// How often the first `period` lines follow each other.
fn repeats(lines: &[&str], period: usize) -> usize {
    let first = lines.get(..period).unwrap_or_default();
    let parts = lines.chunks_exact(period);
    parts.take_while(|part| *part == first).count()
}

const LINES_SHOWN: usize = 14;
/// A circle of more lines than that is shown as it is.
const PERIOD_MAX: usize = 6;
const TIMES_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_is_there_once() {
        let lines = [
            "a", "b", "w", "r", "w", "r", "w", "r", "x", "x", "x", "x", "y",
        ];
        let shown = [
            "a",
            "b",
            "w",
            "r",
            "    these 2 lines, × 3",
            "x",
            "    the same, × 4",
            "y",
        ];
        assert_eq!(last(&lines), shown);
        assert_eq!(last(&["a", "a"]), ["a", "a"]);
        assert!(last(&[]).is_empty());
    }

    #[test]
    fn the_end_is_shown() {
        let lines: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(last(&lines), lines[100 - LINES_SHOWN..]);
    }
}
