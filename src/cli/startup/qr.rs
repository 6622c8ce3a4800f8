//! An address as a QR code (ISO/IEC 18004), for a phone that looks at the terminal.
//!
//! *Floor 5, of the program only.* Two modules stand in one character, so a code is some twenty
//! lines; on a terminal it says its own colours, dark on light, whichever those of the terminal are.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The lines of the code, indented like the rest of the start-up text. `None` for an address that
/// is too long for one.
pub(super) fn code(url: &str, is_terminal: bool) -> Option<String> {
    let code = QrCode::new(url).ok()?;
    let drawn = code.render::<Dense1x2>().build();
    let (begin, end) = match is_terminal {
        true => ("\u{1b}[30;107m", "\u{1b}[0m"), // black on bright white
        false => ("", ""),
    };
    let line = |line: &str| format!("  {begin}{line}{end}\n");
    Some(drawn.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_dark_on_light_and_square() {
        let plain = code("http://192.0.2.7:8080/", false).unwrap();
        let lines: Vec<_> = plain.lines().collect();
        // 25 modules and four of quiet on each side, two of them in each character.
        assert_eq!(lines.len(), (25_usize + 8).div_ceil(2));
        assert!(
            lines.iter().all(|line| line.chars().count() == 2 + 25 + 8),
            "{plain}"
        );
        assert!(
            lines[0].trim().is_empty() && lines[3].contains('█'),
            "{plain}"
        );
        let colours = code("http://192.0.2.7:8080/", true).unwrap();
        let said = |line: &str| line.starts_with("  \u{1b}[30;107m") && line.ends_with("\u{1b}[0m");
        assert!(colours.lines().all(said), "{colours:?}");
        assert_eq!(code(&"x".repeat(5000), false), None);
    }
}
