//! Filters as conditions of SQL, with every value bound.

mod columns;

use sea_orm::{
    Condition, ExprTrait as _,
    sea_query::{DynIden, Expr, Func, SimpleExpr},
};

use self::columns::Held;
pub(super) use self::columns::Stored;
use super::dialect::Dialect;
use crate::domain::{
    filter::{Attribute, Comparison, Connective, Filter, Operator},
    timestamp::Timestamp,
};

/// The rows that a filter selects.
#[derive(Debug, Clone)]
pub(super) enum Selection {
    /// All of them: there is no condition.
    All,
    /// No row: there is no query.
    Nothing,
    /// Those for which this holds.
    Where(Condition),
}

/// Translates a filter for a database.
pub(super) fn select<A: Stored>(filter: &Filter<A>, dialect: &Dialect) -> Selection {
    let translated = filter.evaluate(|leaf| comparison(leaf, dialect), Part::not, Part::connect);
    match translated {
        Some(Part::Never) => Selection::Nothing,
        Some(Part::Sometimes(expression)) => Selection::Where(Condition::all().add(expression)),
        Some(Part::Both(connective, parts)) => Selection::Where(condition(connective, parts)),
        Some(Part::Always) | None => Selection::All,
    }
}

/// The translation of a part of a filter. Whatever does not depend on a row is decided here, without a query.
#[derive(Debug, Clone)]
enum Part {
    Always,
    Never,
    Sometimes(SimpleExpr),
    /// Several parts with one connective. They are kept in one list, so that a long chain is not a deep tree.
    Both(Connective, Vec<SimpleExpr>),
}

impl Part {
    fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Sometimes(expression) => Self::Sometimes(expression.not()),
            Self::Both(connective, parts) => {
                Self::Sometimes(SimpleExpr::from(condition(connective, parts)).not())
            }
        }
    }

    fn connect(connective: Connective, left: Self, right: Self) -> Self {
        match (connective, left, right) {
            (Connective::And, Self::Never, _) | (Connective::And, _, Self::Never) => Self::Never,
            (Connective::Or, Self::Always, _) | (Connective::Or, _, Self::Always) => Self::Always,
            (Connective::And, Self::Always, other)
            | (Connective::And, other, Self::Always)
            | (Connective::Or, Self::Never, other)
            | (Connective::Or, other, Self::Never) => other,
            (connective, left, right) => {
                let mut parts = left.parts(connective);
                parts.extend(right.parts(connective));
                Self::Both(connective, parts)
            }
        }
    }

    /// Returns the operands to add to those of others under a connective.
    fn parts(self, connective: Connective) -> Vec<SimpleExpr> {
        match self {
            Self::Both(own, parts) if own == connective => parts,
            Self::Both(own, parts) => vec![condition(own, parts).into()],
            Self::Sometimes(expression) => vec![expression],
            Self::Always | Self::Never => Vec::new(),
        }
    }
}

fn condition(connective: Connective, parts: Vec<SimpleExpr>) -> Condition {
    let empty = match connective {
        Connective::And => Condition::all(),
        Connective::Or => Condition::any(),
    };
    parts.into_iter().fold(empty, Condition::add)
}

fn comparison<A: Stored>(comparison: &Comparison<A>, dialect: &Dialect) -> Part {
    match comparison {
        // Every row has every attribute.
        Comparison::Present(_) => Part::Always,
        Comparison::Absent(_) => Part::Never,
        Comparison::Text {
            attribute,
            operator,
            value,
        } => {
            let value = attribute.comparable(value);
            match attribute.held() {
                Held::Text(column) => text(&column, *operator, &value, dialect),
                Held::Label(column) => label(&column, *operator, &value, dialect),
                Held::OneOf(column, names) => one_of(*attribute, &column, names, *operator, &value),
                // The parser makes no such comparison.
                Held::Instant(_) => Part::Never,
            }
        }
        Comparison::Instant {
            attribute,
            operator,
            value,
        } => match attribute.held() {
            Held::Instant(column) => instant(column, *operator, *value),
            Held::Text(_) | Held::Label(_) | Held::OneOf(..) => Part::Never,
        },
    }
}

/// Compares a text that is one of a few, so that the outcome for each is known beforehand.
fn one_of<A: Attribute>(
    attribute: A,
    column: &DynIden,
    names: &[&str],
    operator: Operator,
    value: &str,
) -> Part {
    let mut all = names.to_vec();
    all.sort_unstable();
    let holds = |name: &&&str| operator.holds(&attribute.comparable(name), value);
    let selected: Vec<&str> = all.iter().filter(holds).copied().collect();
    let own = || Expr::col(column.clone());
    match selected.as_slice() {
        [] => Part::Never,
        [only] => Part::Sometimes(own().eq(*only)),
        _ if selected.len() == all.len() => Part::Always,
        // Neighbours are one range of an index.
        [first, .., last] if all.windows(selected.len()).any(|window| window == selected) => {
            Part::Sometimes(own().gte(*first).and(own().lte(*last)))
        }
        _ => Part::Sometimes(own().is_in(selected)),
    }
}

fn text(column: &DynIden, operator: Operator, value: &str, dialect: &Dialect) -> Part {
    if let Some((before, _)) = value.split_once('\0') {
        return text_with_nul(column, operator, before);
    }
    let own = || Expr::col(column.clone());
    Part::Sometimes(match operator {
        Operator::Contains | Operator::StartsWith | Operator::EndsWith if value.is_empty() => {
            return Part::Always;
        }
        Operator::Equal => (dialect.few_are_equal)(own().eq(value)),
        Operator::NotEqual => own().ne(value),
        Operator::Greater => own().gt(value),
        Operator::GreaterOrEqual => own().gte(value),
        Operator::Less => own().lt(value),
        Operator::LessOrEqual => own().lte(value),
        // One range of an index.
        Operator::StartsWith => match after_prefix(value) {
            Some(end) => own().gte(value).and(own().lt(end)),
            None => own().gte(value),
        },
        Operator::Contains => contains(own(), value, dialect),
        Operator::EndsWith => contains(end_of(own(), value, dialect), value, dialect),
    })
}

/// Compares a text that many rows may share. A list of those that are equal is read along an index, in its order. A list of
/// a range of them would have to be sorted.
fn label(column: &DynIden, operator: Operator, value: &str, dialect: &Dialect) -> Part {
    let own = || Expr::col(column.clone());
    let most = dialect.most_match;
    match operator {
        Operator::Equal if !value.contains('\0') => Part::Sometimes(own().eq(value)),
        Operator::StartsWith if !value.is_empty() && !value.contains('\0') => {
            let from = most(own().gte(value));
            Part::Sometimes(match after_prefix(value) {
                Some(end) => from.and(most(own().lt(end))),
                None => from,
            })
        }
        _ => text(column, operator, value, dialect),
    }
}

/// PostgreSQL expects a third of the rows to match, and so reads them in the order of the list until the page is full. Of
/// `=` on an expression it expects hardly any to match, and would rather sort those.
fn contains(text: SimpleExpr, value: &str, dialect: &Dialect) -> SimpleExpr {
    Expr::expr(Func::cust(dialect.position_function).arg(text).arg(value)).gt(0)
}

/// The end of a text, as long as a value.
fn end_of(text: SimpleExpr, value: &str, dialect: &Dialect) -> SimpleExpr {
    let length = i32::try_from(value.chars().count()).unwrap_or(i32::MAX);
    (dialect.last_characters)(text, length)
}

/// Compares with a text that contains U+0000, which no row has and PostgreSQL cannot store: the part before it is the
/// greatest text that is less.
fn text_with_nul(column: &DynIden, operator: Operator, before: &str) -> Part {
    let own = Expr::col(column.clone());
    match operator {
        Operator::Equal | Operator::Contains | Operator::StartsWith | Operator::EndsWith => Part::Never,
        Operator::NotEqual => Part::Always,
        Operator::Greater | Operator::GreaterOrEqual => Part::Sometimes(own.gt(before)),
        Operator::Less | Operator::LessOrEqual => Part::Sometimes(own.lte(before)),
    }
}

fn instant(column: DynIden, operator: Operator, value: Timestamp) -> Part {
    let (own, value) = (Expr::col(column), value.as_micros());
    Part::Sometimes(match operator {
        Operator::Equal => own.eq(value),
        Operator::NotEqual => own.ne(value),
        Operator::Greater => own.gt(value),
        Operator::GreaterOrEqual => own.gte(value),
        Operator::Less => own.lt(value),
        Operator::LessOrEqual => own.lte(value),
        // The parser makes no such comparison.
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => return Part::Never,
    })
}

/// Returns the least text that is greater than every text with this prefix: the prefix with its last character replaced
/// by the next one. `None` if there is no next one.
fn after_prefix(prefix: &str) -> Option<String> {
    let kept = prefix.trim_end_matches(char::MAX);
    let last = kept.chars().next_back()?;
    let start = kept.strip_suffix(last)?;
    // The range skips the surrogates, which are not characters.
    let next = (last..=char::MAX).nth(1)?;
    Some(format!("{start}{next}"))
}

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::{Query, SqliteQueryBuilder};

    use super::*;
    use crate::{
        domain::filter::{ChangeAttribute, ClientAttribute},
        store::entity::client::Column,
    };

    fn sql<A: Stored>(filter: &str) -> String {
        match select::<A>(&Filter::parse(filter).unwrap(), &crate::store::sqlite::DIALECT) {
            Selection::All => "all".to_owned(),
            Selection::Nothing => "nothing".to_owned(),
            Selection::Where(condition) => {
                let query = Query::select()
                    .column(Column::ClientId)
                    .cond_where(condition)
                    .to_owned();
                let sql = query.to_string(SqliteQueryBuilder);
                sql.split_once(" WHERE ")
                    .unwrap()
                    .1
                    .replace("\"oauth_clients\".", "")
            }
        }
    }

    #[test]
    fn what_no_row_can_decide_costs_no_query() {
        for (filter, expected) in [
            ("clientName pr", "all"),
            ("clientName eq null", "nothing"),
            ("not (appType pr)", "nothing"),
            (r#"appType eq "mobile""#, "nothing"),
            (r#"appType ne "mobile""#, "all"),
            (r#"clientName co """#, "all"),
            (r#"clientName eq "a\u0000b""#, "nothing"),
            (r#"clientName ne "a\u0000b""#, "all"),
            (r#"clientName sw "a" and clientName eq null"#, "nothing"),
            (r#"clientName sw "a" or clientName ne null"#, "all"),
            (
                r#"not (clientName sw "a" and appType eq "x") and clientId pr"#,
                "all",
            ),
        ] {
            assert_eq!(sql::<ClientAttribute>(filter), expected, "{filter}");
        }
    }

    #[test]
    fn a_filter_becomes_one_condition() {
        for (filter, expected) in [
            (
                r#"clientName eq "Aé""#,
                r#"unlikely("client_name_folded" = 'aé')"#,
            ),
            (r#"clientId eq "Aé""#, r#"unlikely("client_id" = 'Aé')"#),
            (
                r#"clientName sw "a""#,
                r#""client_name_folded" >= 'a' AND "client_name_folded" < 'b'"#,
            ),
            (
                r#"clientName co "100%_\\""#,
                r#"instr("client_name_folded", '100%_\') > 0"#,
            ),
            (
                r#"clientName ew "é""#,
                r#"instr(substr("client_name_folded", -1), 'é') > 0"#,
            ),
            (r#"clientName lt "a\u0000""#, r#""client_name_folded" <= 'a'"#),
            (r#"appType sw "W""#, r#""app_type" = 'web'"#),
            (
                r#"appType gt "native""#,
                r#""app_type" >= 'spa' AND "app_type" <= 'web'"#,
            ),
            (
                r#"appType ne "spa""#,
                r#""app_type" IN ('anonymous-embed', 'native', 'web')"#,
            ),
            (
                r#"clientId eq "1" or clientId eq "2" and clientId ne "3""#,
                r#"unlikely("client_id" = '1') OR (unlikely("client_id" = '2') AND "client_id" <> '3')"#,
            ),
            (
                r#"not (clientId eq "1" or clientId eq "2") and clientId ne "3""#,
                r#"(NOT (unlikely("client_id" = '1') OR unlikely("client_id" = '2'))) AND "client_id" <> '3'"#,
            ),
        ] {
            assert_eq!(sql::<ClientAttribute>(filter), expected, "{filter}");
        }
    }

    #[test]
    fn a_filter_on_changes_becomes_one_condition() {
        for (filter, expected) in [
            (
                r#"clientId eq "Aé" and type ne "created""#,
                r#"unlikely("client_id" = 'Aé') AND "type" <> 'created'"#,
            ),
            (
                r#"type sw "secret." or not (actor eq "A")"#,
                r#"(likely("type" >= 'secret.') AND likely("type" < 'secret/')) OR (NOT "actor" = 'A')"#,
            ),
            (
                r#"time ge "1970-01-01T01:00:00.000002+01:00" and time lt "1970-01-01T00:00:01Z""#,
                r#""time" >= 2 AND "time" < 1000000"#,
            ),
            (
                r#"time gt "1970-01-01T00:00:00Z" and time le "1970-01-01T00:00:01Z""#,
                r#""time" > 0 AND "time" <= 1000000"#,
            ),
            (r#"actor eq "a\u0000b""#, "nothing"),
            ("type ne null", "all"),
        ] {
            assert_eq!(sql::<ChangeAttribute>(filter), expected, "{filter}");
        }
    }

    #[test]
    fn a_prefix_ends_before_the_next_character() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after_prefix("\u{10FFFF}\u{10FFFF}"), None);
    }
}
