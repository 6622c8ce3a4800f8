//! What a word on the command line may be: durations, sizes, fields.
//!
//! *Floor 5.* Pure functions from `&str` to a value, or to one sentence that says what would have
//! been right. clap puts the option's name and the offending word in front of it.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use httpoll::config::{Fault, Faults};
use httpoll::http::Network;
use httpoll::service::HostName;

/// Why a word is not a value: the second half of a sentence.
pub(super) type Advice = String;

/// How many loops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Workers {
    /// One per processor that this process may use.
    Auto,
    /// So many.
    Count(usize),
}

/// One word of a fixed list, each with its meaning.
pub(crate) fn one_of<T: Copy + Send + Sync + 'static>(
    choices: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(choices.iter().map(|(word, _)| *word)).try_map(|word| {
        let found = choices.iter().find(|(name, _)| *name == word);
        found.map(|(_, value)| *value).ok_or("not in the list")
    })
}

/// Seconds, or a number with a unit; more than nothing and at most a year.
pub(crate) fn duration(word: &str) -> Result<Duration, Advice> {
    match duration_or_zero(word)? {
        Duration::ZERO => Err("must be more than zero".into()),
        some => Ok(some),
    }
}

/// As [`duration`], where nothing at all means something too.
pub(crate) fn duration_or_zero(word: &str) -> Result<Duration, Advice> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let (number, unit) = split_unit(word);
    let seconds_each = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(DURATION_ADVICE.into()),
    };
    let number = decimal(number).ok_or(DURATION_ADVICE)?;
    Duration::try_from_secs_f64(number * seconds_each)
        .ok()
        .filter(|duration| *duration <= YEAR)
        .ok_or_else(|| "is longer than a year".into())
}

/// Whole seconds, as Cache-Control counts (RFC 9111 §5.2.2.1), with the units of the other times.
pub(crate) fn max_age(word: &str) -> Result<u64, Advice> {
    /// A cache takes a longer time for this one (RFC 9111 §1.2.2).
    const MAX: u64 = 1 << 31;
    match plain_number(word) {
        Some(seconds @ 0..=MAX) => return Ok(seconds),
        Some(_) => return Err(format!("give at most {MAX} seconds")),
        None => {}
    }
    if word.starts_with('-') {
        return Err("give 0 or more; without this option browsers ask every time".into());
    }
    let duration = duration_or_zero(word)?;
    match duration.subsec_nanos() {
        0 => Ok(duration.as_secs()),
        _ => Err("give whole seconds: caches count no others".into()),
    }
}

/// `FAULT,FAULT:PERCENT@SEED`, the last two if there are any.
pub(crate) fn faults(word: &str) -> Result<Faults, Advice> {
    let (rest, seed) = match word.split_once('@') {
        None => (word, Some(0)),
        Some((rest, seed)) => (rest, plain_number(seed)),
    };
    let (names, percent) = match rest.split_once(':') {
        None => (rest, Some(10)),
        Some((names, percent)) => {
            let number = plain_number(percent.strip_suffix('%').unwrap_or(percent));
            (names, number.filter(|percent| (1..=100).contains(percent)))
        }
    };
    let percent = percent.ok_or("give 1 to 100 in 100 calls behind the colon: eagain:25")?;
    let seed = seed.ok_or("give a number behind the @: eagain@7")?;
    let names: Vec<_> = names.split(',').collect();
    let is_known = |name: &str| Fault::ALL.iter().any(|fault| fault.name() == name);
    if !names.iter().all(|name| *name == "all" || is_known(name)) {
        let known = Fault::ALL.map(Fault::name).join(", ");
        return Err(format!("give {known} or all, as in eagain,eintr:25"));
    }
    let mut kinds = Fault::ALL.to_vec();
    kinds.retain(|fault| names.contains(&fault.name()) || names.contains(&"all"));
    Ok(Faults {
        kinds,
        percent,
        seed,
    })
}

/// A directory below DIR: names only, so that it cannot be elsewhere.
pub(crate) fn subdirectory(word: &str) -> Result<PathBuf, Advice> {
    let is_name = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let path = Path::new(word);
    match path.components().all(is_name) {
        true => Ok(path
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect()),
        false => Err("give a directory below DIR: --upload=inbox".into()),
    }
}

/// Bytes, or a whole number with a unit: K and KiB are 1,024 (IEC 80000-13), KB is 1,000.
pub(crate) fn size(word: &str) -> Result<u64, Advice> {
    let (number, unit) = split_unit(word);
    let each: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(SIZE_ADVICE.into()),
    };
    let number: u64 = plain_number(number).ok_or(SIZE_ADVICE)?;
    number
        .checked_mul(each)
        .ok_or_else(|| "is more than 64 bits can say".into())
}

/// A port. `u16::from_str` would take `+80` too.
pub(crate) fn port(word: &str) -> Result<u16, Advice> {
    plain_number(word).ok_or_else(|| {
        let has_port = |(_, port)| plain_number::<u16>(port).is_some();
        if word.starts_with("tcp://") {
            // https://kubernetes.io/docs/tutorials/services/connect-applications-service/
            "give a number from 0 to 65535; for a service of this name Kubernetes sets HTTPOLL_PORT, \
             unless the pod has enableServiceLinks: false"
                .into()
        } else if word.parse::<IpAddr>().is_ok() || word.rsplit_once(':').is_some_and(has_port) {
            format!("give a number here, and the address to --listen: --listen {word}")
        } else {
            "give a number from 0 to 65535; 0 takes a free port".into()
        }
    })
}

/// A number of workers, or `auto`.
pub(crate) fn workers(word: &str) -> Result<Workers, Advice> {
    const MAX: usize = 256;
    match word {
        "auto" => Ok(Workers::Auto),
        _ => match plain_number(word) {
            Some(count @ 1..=MAX) => Ok(Workers::Count(count)),
            _ => Err(format!("give a number from 1 to {MAX}, or auto")),
        },
    }
}

/// A count of at least one.
pub(crate) fn count(word: &str) -> Result<usize, Advice> {
    plain_number(word)
        .filter(|count| *count > 0)
        .ok_or_else(|| "give a whole number, at least 1".into())
}

/// One `--trusted-proxy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Proxy {
    /// Peers with one of these addresses.
    Network(Network),
    /// Peers that may open our Unix sockets.
    Unix,
}

/// `ADDR`, `ADDR/BITS` or `unix`.
pub(crate) fn proxy(word: &str) -> Result<Proxy, Advice> {
    match word {
        "unix" => Ok(Proxy::Unix),
        _ => Ok(Proxy::Network(word.parse()?)),
    }
}

/// A name or address that requests may ask for.
pub(crate) fn host(word: &str) -> Result<HostName, Advice> {
    let advice = "give a name as in the URL, without scheme and port: files.example, 192.0.2.7";
    HostName::new(word).ok_or_else(|| advice.into())
}

/// `ext=type/subtype`.
pub(crate) fn mime(word: &str) -> Result<(String, String), Advice> {
    let advice = "give an extension and its type: md=text/markdown";
    let (ext, media_type) = word.split_once('=').ok_or(advice)?;
    let ext = ext.strip_prefix('.').unwrap_or(ext);
    let (kind, subtype) = media_type.split_once('/').ok_or(advice)?;
    let printable = subtype.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if ext.is_empty() || kind.is_empty() || subtype.is_empty() || !printable {
        return Err(advice.into());
    }
    if ext.contains('/') || !kind.bytes().all(is_token_byte) {
        return Err(advice.into());
    }
    Ok((ext.to_ascii_lowercase(), media_type.into()))
}

/// A path below which everything is served: starts with `/`, ends without.
pub(crate) fn prefix(word: &str) -> Result<String, Advice> {
    let trimmed = word.strip_suffix('/').unwrap_or(word);
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let below_root = trimmed.strip_prefix('/');
    if below_root.is_some_and(|rest| rest.split('/').all(plain)) {
        return Ok(trimmed.into());
    }
    Err("give a path such as /docs, of letters, digits, - . _ and ~".into())
}

/// The name of one file in the directory: no path.
pub(crate) fn file_name(word: &str) -> Result<String, Advice> {
    match word {
        "" | "." | ".." => Err("give the name of a file".into()),
        _ if word.contains(['/', '\0']) => Err("give a name without slashes".into()),
        _ => Ok(word.into()),
    }
}

/// tchar of RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A number and what follows it.
fn split_unit(word: &str) -> (&str, &str) {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.');
    word.split_at(end.unwrap_or(word.len()))
}

/// Digits and nothing else: `u16::from_str` would take `+80` too.
pub(super) fn plain_number<T: FromStr>(word: &str) -> Option<T> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    if digits { word.parse().ok() } else { None }
}

/// `f64::from_str` would take `inf`, `nan` and `1e9` too.
fn decimal(word: &str) -> Option<f64> {
    let plain = word
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { word.parse().ok() } else { None }
}

const DURATION_ADVICE: &str = "give seconds, or a number with ms, s, m, h or d: 0.2, 500ms, 5m, 1d";
const SIZE_ADVICE: &str =
    "give bytes, or a whole number with K, M, G (1K = 1KiB = 1024) or KB, MB, GB (1KB = 1000): 64M";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_a_rate_and_a_seed() {
        let check = |word: &str, expected: Result<(&[Fault], u8, u64), &str>| {
            let got = faults(word);
            let expected = expected.map(|(kinds, percent, seed)| Faults {
                kinds: kinds.to_vec(),
                percent,
                seed,
            });
            match (got, expected) {
                (Err(advice), Err(part)) => assert!(advice.contains(part), "{word}: {advice}"),
                (got, expected) => assert_eq!(got.ok(), expected.ok(), "{word}"),
            }
        };
        check("eagain", Ok((&[Fault::Eagain], 10, 0)));
        let both = &[Fault::ShortRead, Fault::Eintr][..];
        check("eintr,short-read,eintr:100%", Ok((both, 100, 0)));
        check("all:25@7", Ok((&Fault::ALL, 25, 7)));
        check("all@7", Ok((&Fault::ALL, 10, 7)));
        for word in ["", "eagain,", "EAGAIN", "none", "eagain eintr"] {
            check(
                word,
                Err("short-read, short-write, eagain, eintr, slow-accept or all"),
            );
        }
        for word in ["all:0", "all:101", "all:", "all:0.5", "all:-1"] {
            check(word, Err("give 1 to 100"));
        }
        for word in ["all@", "all@-1", "all@x", "all:9@1@2"] {
            check(word, Err("behind the @"));
        }
    }

    #[test]
    fn durations_take_decimals_and_units_and_nothing_else() {
        let check = |word: &str, millis: Option<u64>| {
            assert_eq!(
                duration(word).ok(),
                millis.map(Duration::from_millis),
                "{word}"
            );
        };
        check("10", Some(10_000));
        check("0.2", Some(200));
        check(".5", Some(500));
        check("500ms", Some(500));
        check("1s", Some(1_000));
        check("1.5m", Some(90_000));
        check("2h", Some(7_200_000));
        check("8760h", Some(31_536_000_000));
        check("1d", Some(86_400_000));
        check("0.5d", Some(43_200_000));
        check("365d", Some(31_536_000_000));
        let refused = [
            "",
            "0",
            "0.0",
            "0ms",
            "-1",
            "+1",
            "1e3",
            "inf",
            "nan",
            "1 s",
            "s",
            ".",
            "1.2.3",
            "1D",
            "1w",
            "366d",
            "8761h",
            "99999999999999999999999999",
            "0.0000000000001",
            "١",
        ];
        for word in refused {
            check(word, None);
        }
        assert_eq!(duration_or_zero("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn ages_are_whole_seconds() {
        let check = |word: &str, expected: Option<u64>| {
            assert_eq!(max_age(word).ok(), expected, "{word}");
        };
        check("0", Some(0));
        check("600", Some(600));
        check("5m", Some(300));
        check("1h", Some(3600));
        check("30d", Some(2_592_000));
        check("2147483648", Some(1 << 31));
        for word in ["2147483649", "0.5", "500ms", "-1", "soon", ""] {
            check(word, None);
        }
    }

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        let check = |word: &str, bytes: Option<u64>| assert_eq!(size(word).ok(), bytes, "{word}");
        check("0", Some(0));
        check("4096", Some(4096));
        check("64K", Some(65_536));
        check("64MiB", Some(67_108_864));
        check("2g", Some(2_147_483_648));
        check("64MB", Some(64_000_000));
        check("1kB", Some(1_000));
        check("1KiB", Some(1_024));
        check("3GB", Some(3_000_000_000));
        check("3gib", Some(3_221_225_472));
        check("7B", Some(7));
        for word in [
            "",
            "K",
            "1.5M",
            "-1",
            "1KBit",
            "1iB",
            "1T",
            "18446744073709551616",
            "17179869184G",
        ] {
            check(word, None);
        }
    }

    #[test]
    fn ports_are_digits() {
        let check = |word: &str, expected: Option<u16>| {
            assert_eq!(port(word).ok(), expected, "{word}");
        };
        check("0", Some(0));
        check("65535", Some(65535));
        for word in ["", "+80", "-1", "65536", "abc", "8O", "80 ", "::1:80"] {
            check(word, None);
        }
        let advised = |word: &str, advice: &str| {
            assert!(
                port(word).is_err_and(|whole| whole.contains(advice)),
                "{word}"
            );
        };
        for address in ["::1", "127.0.0.1", "[::1]:80", "localhost:8080"] {
            advised(address, &format!("--listen {address}"));
        }
        advised("8080.0", "a number from 0 to 65535; 0 takes");
        advised("tcp://10.0.0.1:8080", "enableServiceLinks: false");
    }

    #[test]
    fn workers_are_some_or_auto() {
        assert_eq!(workers("auto"), Ok(Workers::Auto));
        assert_eq!(workers("4"), Ok(Workers::Count(4)));
        for word in ["0", "257", "-1", "", "four"] {
            assert!(workers(word).is_err(), "{word}");
        }
    }

    #[test]
    fn types_prefixes_and_names() {
        let pair = |ext: &str, kind: &str| Ok((ext.to_owned(), kind.to_owned()));
        assert_eq!(mime("md=text/markdown"), pair("md", "text/markdown"));
        assert_eq!(mime(".MD=text/x; q=1"), pair("md", "text/x; q=1"));
        for word in [
            "md",
            "=a/b",
            "md=text",
            "md=/x",
            "md=x/",
            "a/b=c/d",
            "x=a/b\r\nc: d",
        ] {
            assert!(mime(word).is_err(), "{word:?}");
        }
        assert_eq!(prefix("/docs"), Ok("/docs".into()));
        assert_eq!(prefix("/a/b/"), Ok("/a/b".into()));
        for word in [
            "", "/", "docs", "//", "/a//b", "/../a", "/a?b", "/a b", "/%41", "//evil",
        ] {
            assert!(prefix(word).is_err(), "{word}");
        }
        assert_eq!(file_name("index.html"), Ok("index.html".into()));
        for word in ["", ".", "..", "a/b"] {
            assert!(file_name(word).is_err(), "{word}");
        }
    }
}
