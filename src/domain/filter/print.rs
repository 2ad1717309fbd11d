//! A filter as text that reads as the same filter.

use std::fmt;

use super::{Attribute, Comparison, Connective, Filter, Operator};

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = self.fold(Printed::comparison, Printed::not, Printed::connect);
        f.write_str(&printed.map(|printed| printed.text).unwrap_or_default())
    }
}

/// A text, and the connective that holds it together, if one does.
struct Printed {
    text: String,
    connective: Option<Connective>,
}

impl Printed {
    fn comparison(comparison: &Comparison) -> Self {
        let text = match comparison {
            Comparison::Present(attribute) => format!("{attribute} pr"),
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
        // A chain reads from left to right, so what is chained on the right was in parentheses.
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

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Self::ALL.into_iter();
        let name = all.find_map(|(attribute, name)| (attribute == *self).then_some(name));
        f.write_str(name.unwrap_or_default())
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Self::ALL.into_iter();
        let name = all.find_map(|(operator, name)| (operator == *self).then_some(name));
        f.write_str(name.unwrap_or_default())
    }
}
