//! Links and pictures: the elements that have an address.
//!
//! *Floor 3.* Pure: of what was checked, HTML that needs no other look.

use std::fmt::Write;

use crate::service::markdown::address::{Address, unescaped};
use crate::service::markdown::raw::RawTag;
use crate::service::pages::escape_html;

/// The beginning of a link. Another server is not told where it was found, nor given a hold on the page.
pub(super) fn link(address: &Address, title: &str) -> String {
    let rel = match address.is_elsewhere {
        true => " rel=\"noopener noreferrer\"",
        false => "",
    };
    format!("<a href={}{rel}{}>", address.value(), titled(title))
}

pub(super) fn titled(title: &str) -> String {
    match title.is_empty() {
        true => String::new(),
        false => format!(" title=\"{}\"", escape_html(title)),
    }
}

pub(super) fn raw_link(tag: RawTag<'_>) -> Option<String> {
    let address = Address::of_link(&unescaped(tag.attribute("href")?))?;
    Some(link(&address, ""))
}

/// A picture.
pub(super) struct Image {
    pub(super) address: Option<Address>,
    /// Escaped.
    pub(super) alt: String,
    /// Attributes more.
    pub(super) others: String,
}

impl Image {
    pub(super) fn of(tag: RawTag<'_>) -> Self {
        let value = |name| unescaped(tag.attribute(name).unwrap_or_default());
        let mut others = titled(&value("title"));
        for name in ["width", "height"] {
            let value = value(name);
            let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            let number = value.strip_suffix('%').unwrap_or(&value);
            if (1..=4).contains(&number.len()) && is_number(number) {
                // Writing to a String cannot fail.
                let _ = write!(others, " {name}=\"{value}\"");
            }
        }
        Self {
            address: Address::of_image(&value("src")),
            alt: escape_html(&value("alt")).into_owned(),
            others,
        }
    }

    /// Shown, if it is of this server; else a link to it, unless it is in one already.
    pub(super) fn html(self, is_linked: bool) -> String {
        let Self {
            address,
            alt,
            others,
        } = self;
        match address {
            Some(address) if !address.is_elsewhere => format!(
                "<img src={} alt=\"{alt}\"{others} loading=\"lazy\">",
                address.value()
            ),
            Some(address) if !is_linked => {
                let shown = if alt.is_empty() { "image" } else { &alt };
                format!("{}{shown}</a>", link(&address, ""))
            }
            _ => alt,
        }
    }
}
