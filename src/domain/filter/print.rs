//! Prints a filter as a text that parses as the same filter.

use std::fmt;

use super::{Attribute, Comparison, Connective, Filter, PRESENT};

impl<A: Attribute> fmt::Display for Filter<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = self.evaluate(Printed::comparison, Printed::not, Printed::connect);
        f.write_str(&printed.map(|printed| printed.text).unwrap_or_default())
    }
}

/// The text of a part, and its outermost connective outside of groups, if any.
struct Printed {
    text: String,
    connective: Option<Connective>,
}

impl Printed {
    fn comparison<A: Attribute>(comparison: &Comparison<A>) -> Self {
        let text = match comparison {
            Comparison::Present(attribute) if attribute.operators().present => {
                format!("{attribute} {PRESENT}")
            }
            Comparison::Present(attribute) => format!("{attribute} ne null"),
            Comparison::Absent(attribute) => format!("{attribute} eq null"),
            Comparison::Text {
                attribute,
                operator,
                value,
            } => {
                format!(
                    "{attribute} {operator} {}",
                    serde_json::Value::from(value.as_str())
                )
            }
            Comparison::Instant {
                attribute,
                operator,
                value,
            } => format!("{attribute} {operator} \"{}\"", value.to_rfc3339()),
        };
        Self {
            text,
            connective: None,
        }
    }

    fn not(self) -> Self {
        Self {
            text: format!("not ({})", self.text),
            connective: None,
        }
    }

    fn connect(connective: Connective, left: Self, right: Self) -> Self {
        let word = match connective {
            Connective::And => "and",
            Connective::Or => "or",
        };
        // Chains associate to the left, so a chain on the right was in parentheses.
        let group_left = connective == Connective::And && left.connective == Some(Connective::Or);
        let group_right = right
            .connective
            .is_some_and(|own| connective == Connective::And || own == Connective::Or);
        let (left, right) = (left.grouped(group_left), right.grouped(group_right));
        Self {
            text: format!("{left} {word} {right}"),
            connective: Some(connective),
        }
    }

    fn grouped(self, group: bool) -> String {
        if group {
            format!("({})", self.text)
        } else {
            self.text
        }
    }
}
