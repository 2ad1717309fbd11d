//! Converts change records to messages of the API.

use prost_types::{ListValue, Struct, value::Kind};
use serde_json::Value;

use super::convert::timestamp;
use crate::{
    domain::{change_list::ChangeRecord, change_update::ChangeUpdate},
    pb::v1,
};

impl From<&ChangeRecord> for v1::OAuthClientChange {
    fn from(record: &ChangeRecord) -> Self {
        Self {
            revision: record.key.revision.number(),
            client_id: record.key.client_id.as_str().to_owned(),
            r#type: record.change_type.clone(),
            time: Some(timestamp(record.key.time)),
            actor: record.actor.clone(),
            correlation_id: record.correlation_id.clone().unwrap_or_default(),
            updates: record.updates.iter().map(v1::ChangeUpdate::from).collect(),
        }
    }
}

impl From<&ChangeUpdate> for v1::ChangeUpdate {
    fn from(update: &ChangeUpdate) -> Self {
        Self {
            path: update.path.clone(),
            old_value: update.old_value.as_ref().map(value),
            new_value: update.new_value.as_ref().map(value),
        }
    }
}

/// Converts a value of JSON.
fn value(json: &Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        // Every number of JSON is one of the range of a double, or infinite.
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(value).collect(),
        }),
        Value::Object(members) => Kind::StructValue(Struct {
            fields: members
                .iter()
                .map(|(name, json)| (name.clone(), value(json)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
