//! In which order entries stand, and where one of them does.
//!
//! *Floor 3.* Knows names, sizes and times as values; does not know where they come from.
//!
//! There is one order for all who ask: what a page, a program and the script of the page see. Names
//! are compared as people count and without regard to case; what is equal in size or time stands by
//! its name. So the order is total: no two entries of a directory are equal in it, and "what comes
//! behind this one" is a place to go on from (`selection.rs`).

use std::cmp::Ordering;
use std::ffi::{CStr, CString};

/// What entries are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::service) enum SortBy {
    #[default]
    Name,
    Size,
    Time,
}

/// An order. The default is that of a listing of which nothing else was asked: folders first, then by
/// name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::service) struct Order {
    pub(super) by: SortBy,
    pub(super) descending: bool,
    /// Whether folders stand among files.
    pub(super) mixed: bool,
    /// Whether all of it is seen from its end.
    pub(super) backwards: bool,
}

/// What of an entry is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SortPlace<'a> {
    pub(super) is_directory: bool,
    /// What it is sorted by, if that is not its name: bytes, or seconds since 1970.
    pub(super) value: i64,
    pub(super) name: &'a CStr,
}

/// A place that is kept, or that a client has named: there need be nothing at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::service) struct SortKey {
    pub(super) is_directory: bool,
    pub(super) value: i64,
    pub(super) name: CString,
}

impl Order {
    /// Whether it takes a stat(2) to know where an entry stands.
    pub(super) const fn needs_meta(self) -> bool {
        !matches!(self.by, SortBy::Name)
    }

    /// The same, seen from its end.
    pub(super) const fn backwards(self) -> Self {
        Self {
            backwards: !self.backwards,
            ..self
        }
    }

    pub(super) fn compare(self, a: SortPlace<'_>, b: SortPlace<'_>) -> Ordering {
        let (a, b) = if self.backwards { (b, a) } else { (a, b) };
        let turned = |ordering: Ordering| match self.descending {
            true => ordering.reverse(),
            false => ordering,
        };
        let folders = match self.mixed {
            true => Ordering::Equal,
            false => b.is_directory.cmp(&a.is_directory),
        };
        folders.then_with(|| match self.by {
            SortBy::Name => turned(by_name(a.name, b.name)),
            SortBy::Size | SortBy::Time => {
                turned(a.value.cmp(&b.value)).then_with(|| by_name(a.name, b.name))
            }
        })
    }
}

impl SortPlace<'_> {
    pub(super) fn to_key(self) -> SortKey {
        SortKey {
            is_directory: self.is_directory,
            value: self.value,
            name: self.name.to_owned(),
        }
    }
}

impl SortKey {
    pub(super) fn place(&self) -> SortPlace<'_> {
        SortPlace {
            is_directory: self.is_directory,
            value: self.value,
            name: &self.name,
        }
    }
}

/// No two names of a directory are equal, but many begin alike: what both have is looked at once,
/// and not as characters.
fn by_name(a: &CStr, b: &CStr) -> Ordering {
    let (a, b) = (a.to_bytes(), b.to_bytes());
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let begins_within = |name: &[u8], at: usize| name.get(at).is_some_and(|b| b & 0xC0 == 0x80);
    let mut at = same;
    // Back to where a character begins in both, then to where a number does.
    while at > 0 && (begins_within(a, at) || begins_within(b, at)) {
        at -= 1;
    }
    while at > 0 && a[at - 1].is_ascii_digit() {
        at -= 1;
    }
    let shown = |name| String::from_utf8_lossy(name);
    let (shown_a, shown_b) = (shown(&a[at..]), shown(&b[at..]));
    (natural(&shown_a).cmp(natural(&shown_b))).then_with(|| a.cmp(b))
}

/// What sorts `img9` before `img10` and `a` beside `A`: lower case, and each run of digits led by
/// its length, so that comparing characters compares numbers.
fn natural(name: &str) -> impl Iterator<Item = char> {
    let mut rest = name;
    let (mut length, mut digits, mut letters) = (None, "".chars(), None);
    std::iter::from_fn(move || {
        let begun = length.take().or_else(|| digits.next());
        if let Some(c) = begun.or_else(|| letters.as_mut().and_then(Iterator::next)) {
            return Some(c);
        }
        let first = rest.chars().next()?;
        if !first.is_ascii_digit() {
            rest = &rest[first.len_utf8()..];
            let mut lower = first.to_lowercase();
            let c = lower.next();
            letters = Some(lower);
            return c;
        }
        let end = rest.bytes().position(|b| !b.is_ascii_digit());
        let (number, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        let number = number.trim_start_matches('0');
        digits = number.chars();
        // A name has at most 255 bytes, which fit into one character.
        length = Some(char::from(u8::try_from(number.len()).unwrap_or(u8::MAX)));
        // In front of it, so that numbers stay where digits are among other characters.
        Some('0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_as_people_count() {
        let check = |smaller: &str, larger: &str| {
            assert!(natural(smaller).lt(natural(larger)), "{smaller} < {larger}");
        };
        check("a2", "a10");
        check("a2b", "a2c");
        check("1.9", "1.10");
        check("apple", "Banana");
        check("9", "a");
        check("a", "a0");
        check("a0", "a1");
        check("x99999999999999999999998", "x99999999999999999999999");
        check("É1", "é2");
        assert!(natural("B07").eq(natural("b7")));
    }

    /// The shortcut past what two names have in common changes nothing, not even in the middle of
    /// characters, of numbers and of what is no text.
    #[test]
    fn names_that_begin_alike_are_compared_like_others() {
        let pieces: [&[u8]; 9] = [
            b"a",
            b"A",
            b"0",
            b"07",
            b"12",
            b"\xc3",
            b"\xa9",
            b"\xe2\x82",
            b"-",
        ];
        let mut names = vec![Vec::new()];
        for _ in 0..3 {
            let longer = |name: &Vec<u8>| pieces.map(|piece| [name, piece].concat());
            names = names.iter().flat_map(longer).collect();
        }
        let plainly = |a: &[u8], b: &[u8]| {
            let (shown_a, shown_b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
            (natural(&shown_a).cmp(natural(&shown_b))).then_with(|| a.cmp(b))
        };
        let texts: Vec<_> = (names.into_iter())
            .map(|name| CString::new(name).unwrap())
            .collect();
        for a in texts.iter().step_by(17) {
            for b in &texts {
                let expected = plainly(a.to_bytes(), b.to_bytes());
                assert_eq!(by_name(a, b), expected, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn sizes_and_times_are_turned_and_names_break_ties() {
        let place = |is_directory, value, name| SortPlace {
            is_directory,
            value,
            name,
        };
        let entries = [
            place(true, -1, c"z"),
            place(true, -1, c"Y"),
            place(false, 7, c"b10"),
            place(false, 7, c"B9"),
            place(false, 9, c"a"),
        ];
        let check = |by, descending, mixed, expected: [&CStr; 5]| {
            let order = Order {
                by,
                descending,
                mixed,
                ..Order::default()
            };
            let mut sorted = entries;
            sorted.sort_by(|a, b| order.compare(*a, *b));
            let names = sorted.map(|place| place.name);
            assert_eq!(names, expected, "{order:?}");
            sorted.sort_by(|a, b| order.backwards().compare(*a, *b));
            sorted.reverse();
            assert_eq!(sorted.map(|place| place.name), expected, "{order:?}");
        };
        use SortBy::{Name, Size, Time};
        check(Name, false, false, [c"Y", c"z", c"a", c"B9", c"b10"]);
        check(Name, true, false, [c"z", c"Y", c"b10", c"B9", c"a"]);
        check(Name, false, true, [c"a", c"B9", c"b10", c"Y", c"z"]);
        check(Size, false, false, [c"Y", c"z", c"B9", c"b10", c"a"]);
        check(Size, true, false, [c"Y", c"z", c"a", c"B9", c"b10"]);
        check(Time, true, true, [c"a", c"B9", c"b10", c"Y", c"z"]);
    }
}
