//! The effect of an operation on one member of the metadata.

use serde_json::Value;

use super::{
    super::{
        jwk::Jwk,
        patch_rule::{PatchOp, PatchRule},
        timestamp::Timestamp,
        violation::Rule,
    },
    pointer::array_index,
};

/// An operation with the value that it needs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action<'a> {
    Add(&'a Value),
    Replace(&'a Value),
    Remove,
}

impl<'a> Action<'a> {
    pub(super) fn new(op: &str, value: Option<&'a Value>) -> Result<Self, InvalidOperation> {
        let value = || value.ok_or(InvalidOperation::new("value", PatchRule::MissingValue));
        match PatchOp::parse(op) {
            Some(PatchOp::Add) => value().map(Self::Add),
            Some(PatchOp::Replace) => value().map(Self::Replace),
            Some(PatchOp::Remove) => Ok(Self::Remove),
            None => Err(InvalidOperation::new("op", PatchRule::UnknownOperation)),
        }
    }
}

/// A rule that an operation breaks, and the member of the operation that breaks it.
pub(super) struct InvalidOperation {
    pub(super) member: String,
    pub(super) rule: Rule,
}

impl InvalidOperation {
    pub(super) fn new(member: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self {
            member: member.into(),
            rule: rule.into(),
        }
    }

    pub(super) fn path(rule: PatchRule) -> Self {
        Self::new("path", rule)
    }
}

pub(super) type Outcome<T = ()> = Result<T, InvalidOperation>;

pub(super) fn patch_text(member: &mut Option<String>, action: Action<'_>) -> Outcome {
    match action {
        Action::Add(value) | Action::Replace(value) => *member = Some(text("value", value)?),
        Action::Remove => remove(member)?,
    }
    Ok(())
}

/// Unlike other members, an absent consent method can be removed: it stands for the default.
pub(super) fn patch_consent(member: &mut Option<String>, action: Action<'_>) -> Outcome {
    *member = match action {
        Action::Add(value) | Action::Replace(value) => Some(text("value", value)?),
        Action::Remove => None,
    };
    Ok(())
}

pub(super) fn patch_time(member: &mut Option<Timestamp>, action: Action<'_>, now: Timestamp) -> Outcome {
    match action {
        Action::Add(value) | Action::Replace(value) => {
            let invalid = |rule| InvalidOperation::new("value", rule);
            let time = Timestamp::parse_rfc3339(&text("value", value)?)
                .map_err(|_| invalid(PatchRule::NotATimestamp))?;
            if time > now {
                return Err(invalid(PatchRule::InTheFuture));
            }
            *member = Some(time);
        }
        Action::Remove => remove(member)?,
    }
    Ok(())
}

fn remove<T>(member: &mut Option<T>) -> Outcome {
    match member.take() {
        Some(_) => Ok(()),
        None => Err(InvalidOperation::path(PatchRule::NothingToRemove)),
    }
}

pub(super) fn patch_texts(list: &mut Vec<String>, rest: &[&str], action: Action<'_>) -> Outcome {
    patch_list(list, rest, action, text)
}

pub(super) fn patch_keys(list: &mut Vec<Jwk>, rest: &[&str], action: Action<'_>) -> Outcome {
    patch_list(list, rest, action, key)
}

/// Patches an array as a whole, or one element of it (RFC 6902 section 4). `rest` is the path below the array.
fn patch_list<T>(
    list: &mut Vec<T>,
    rest: &[&str],
    action: Action<'_>,
    element: impl Fn(&str, &Value) -> Outcome<T>,
) -> Outcome {
    match (rest, action) {
        ([], Action::Add(value) | Action::Replace(value)) => *list = elements(value, element)?,
        ([], Action::Remove) => list.clear(),
        (["-"], Action::Add(value)) => list.push(element("value", value)?),
        ([token], Action::Add(value)) => {
            let index = index(token, list.len() + 1)?;
            list.insert(index, element("value", value)?);
        }
        ([token], Action::Replace(value)) => {
            let slot = list.get_mut(index(token, usize::MAX)?);
            *slot.ok_or(InvalidOperation::path(PatchRule::NoSuchElement))? = element("value", value)?;
        }
        ([token], Action::Remove) => drop(list.remove(index(token, list.len())?)),
        _ => return Err(InvalidOperation::path(PatchRule::NotPatchable)),
    }
    Ok(())
}

fn elements<T>(array: &Value, element: impl Fn(&str, &Value) -> Outcome<T>) -> Outcome<Vec<T>> {
    let wrong_type = PatchRule::WrongType { expected: "an array" };
    let values = array
        .as_array()
        .ok_or(InvalidOperation::new("value", wrong_type))?;
    values
        .iter()
        .enumerate()
        .map(|(index, value)| element(&format!("value[{index}]"), value))
        .collect()
}

fn index(token: &str, end: usize) -> Outcome<usize> {
    array_index(token, end).ok_or(InvalidOperation::path(PatchRule::NoSuchElement))
}

fn text(member: &str, value: &Value) -> Outcome<String> {
    let wrong_type = PatchRule::WrongType { expected: "a string" };
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| InvalidOperation::new(member, wrong_type))
}

fn key(member: &str, value: &Value) -> Outcome<Jwk> {
    Jwk::from_json(value).map_err(|(name, rule)| match name {
        Some(name) => InvalidOperation::new(format!("{member}.{name}"), rule),
        None => InvalidOperation::new(member, rule),
    })
}
