//! How a record writes what is no text and no number.

/// `edge` or `level`.
pub(super) mod trigger {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::readiness::Trigger;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
    pub(crate) fn serialize<S: Serializer>(trigger: &Trigger, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match trigger {
            Trigger::Edge => "edge",
            Trigger::Level => "level",
        })
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Trigger, D::Error> {
        match String::deserialize(from)?.as_str() {
            "edge" => Ok(Trigger::Edge),
            "level" => Ok(Trigger::Level),
            other => Err(D::Error::unknown_variant(other, &["edge", "level"])),
        }
    }
}

/// `r`, `w`, `rw` or nothing.
pub(super) mod directions {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::readiness::Directions;

    pub(in crate::driver::record) const fn letters(set: Directions) -> &'static str {
        match (set.readable, set.writable) {
            (false, false) => "",
            (true, false) => "r",
            (false, true) => "w",
            (true, true) => "rw",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
    pub(crate) fn serialize<S: Serializer>(set: &Directions, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(letters(*set))
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Directions, D::Error> {
        match String::deserialize(from)?.as_str() {
            "" => Ok(Directions::NONE),
            "r" => Ok(Directions::READ),
            "w" => Ok(Directions::WRITE),
            "rw" => Ok(Directions::BOTH),
            other => Err(D::Error::unknown_variant(other, &["", "r", "w", "rw"])),
        }
    }
}

/// The same, where there may be none.
pub(super) mod some_directions {
    use serde::de::Deserializer;
    use serde::ser::Serializer;

    use super::directions;
    use crate::readiness::Directions;

    #[expect(clippy::ref_option, reason = "the form serde asks for")]
    pub(crate) fn serialize<S: Serializer>(
        set: &Option<Directions>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match set {
            Some(set) => directions::serialize(set, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(
        from: D,
    ) -> Result<Option<Directions>, D::Error> {
        directions::deserialize(from).map(Some)
    }
}
