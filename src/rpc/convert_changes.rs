//! Converts change records to messages of the API.

use prost_types::{ListValue, Struct, value::Kind};
use serde_json::Value;

use super::convert::timestamp;
use crate::{
    domain::{change_list::ChangeRecord, change_update::ChangeUpdate},
    pb::v1,
};

impl From<ChangeRecord> for v1::OAuthClientChange {
    fn from(record: ChangeRecord) -> Self {
        Self {
            revision: record.key.revision.number(),
            client_id: record.key.client_id.as_str().to_owned(),
            r#type: record.change_type,
            time: Some(timestamp(record.key.time)),
            actor: record.actor,
            correlation_id: record.correlation_id.unwrap_or_default(),
            updates: record.updates.into_iter().map(v1::ChangeUpdate::from).collect(),
        }
    }
}

impl From<ChangeUpdate> for v1::ChangeUpdate {
    fn from(update: ChangeUpdate) -> Self {
        Self {
            path: update.path,
            old_value: update.old_value.map(value),
            new_value: update.new_value.map(value),
        }
    }
}

/// Converts a value of JSON.
fn value(json: Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        // Every number of JSON is one of the range of a double, or infinite.
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(value).collect(),
        }),
        Value::Object(members) => Kind::StructValue(Struct {
            fields: members
                .into_iter()
                .map(|(name, json)| (name, value(json)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
