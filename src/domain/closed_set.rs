//! Closed sets of values that have a name in requests and responses.

/// Defines an enum whose variants each have a name, with the names and the values in one place.
macro_rules! closed_set {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $set:ident {
            $($(#[$variant_attribute:meta])* $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $set {
            $($(#[$variant_attribute])* $variant,)+
        }

        impl $set {
            /// Every value, in the order of declaration.
            $visibility const ALL: [Self; Self::NAMES.len()] = [$(Self::$variant),+];
            /// The name of every value, in the order of declaration.
            $visibility const NAMES: &'static [&'static str] = &[$($name),+];

            /// Returns the name of the value in requests and responses.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns the value with a name, or `None` if there is none.
            $visibility fn parse(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.as_str() == name)
            }
        }

        impl std::fmt::Display for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use closed_set;

/// Lists alternatives for an error text: `a, b or c`.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    closed_set! {
        enum Color {
            Red = "red",
            DarkBlue = "dark-blue",
        }
    }

    #[test]
    fn a_value_and_its_name_lead_to_one_another() {
        assert_eq!(Color::NAMES, ["red", "dark-blue"]);
        for color in Color::ALL {
            assert_eq!(Color::parse(color.as_str()), Some(color));
            assert_eq!(color.to_string(), color.as_str());
        }
        for other in ["", "Red", "darkblue", "green"] {
            assert_eq!(Color::parse(other), None, "{other}");
        }
    }

    #[test]
    fn alternatives_are_listed_in_order() {
        assert_eq!(one_of(&[]), "");
        assert_eq!(one_of(&["a"]), "a");
        assert_eq!(one_of(&["a", "b"]), "a or b");
        assert_eq!(one_of(&["a", "b", "c"]), "a, b or c");
    }
}
