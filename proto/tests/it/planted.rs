//! Each kind of break, planted in the contract as it is.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, field_descriptor_proto,
};

use super::{breaks, own};

type Change = fn(&mut FileDescriptorSet);

fn file<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut FileDescriptorProto {
    let name = format!("depot/v1/{name}.proto");
    set.file.iter_mut().find(|file| file.name() == name).unwrap()
}

fn item(set: &mut FileDescriptorSet) -> &mut DescriptorProto {
    let messages = &mut file(set, "item").message_type;
    messages
        .iter_mut()
        .find(|message| message.name() == "Item")
        .unwrap()
}

fn status(set: &mut FileDescriptorSet) -> &mut EnumDescriptorProto {
    let words = &mut file(set, "item").enum_type;
    words
        .iter_mut()
        .find(|words| words.name() == "ItemStatus")
        .unwrap()
}

/// What is changed, and what is told of it.
const BREAKS: [(&str, Change, &str); 14] = [
    (
        "a field",
        |s| item(s).field.retain(|field| field.number() != 3),
        "depot.v1.Item, field 3 name: was taken away",
    ),
    (
        "a number",
        |s| item(s).field[2].number = Some(30),
        "depot.v1.Item, field 3 name: was taken away",
    ),
    (
        "a name",
        |s| item(s).field[2].name = Some("title".into()),
        "depot.v1.Item, field 3 name: its name was name, and is title",
    ),
    (
        "a name in JSON",
        |s| item(s).field[2].json_name = Some("title".into()),
        "depot.v1.Item, field 3 name: its name in JSON was name, and is title",
    ),
    (
        "a type",
        |s| item(s).field[2].set_type(field_descriptor_proto::Type::Bytes),
        "depot.v1.Item, field 3 name: its type was TYPE_STRING , and is TYPE_BYTES ",
    ),
    (
        "another message",
        |s| item(s).field[9].type_name = Some(".depot.v1.File".into()),
        "depot.v1.Item, field 10 created_at: its type was TYPE_MESSAGE .google.protobuf.Timestamp, and is TYPE_MESSAGE .depot.v1.File",
    ),
    (
        "a list",
        |s| item(s).field[2].set_label(field_descriptor_proto::Label::Repeated),
        "depot.v1.Item, field 3 name: how often it is there was Optional, and is Repeated",
    ),
    (
        "a message",
        |s| {
            file(s, "item")
                .message_type
                .retain(|message| message.name() != "File")
        },
        "depot.v1.File: the message was taken away",
    ),
    (
        "an enumeration",
        |s| file(s, "item").enum_type.clear(),
        "depot.v1.ItemStatus: the enumeration was taken away",
    ),
    (
        "a word",
        |s| drop(status(s).value.pop()),
        "depot.v1.ItemStatus.ITEM_STATUS_ARCHIVED: was taken away",
    ),
    (
        "a word's number",
        |s| status(s).value[3].number = Some(4),
        "depot.v1.ItemStatus.ITEM_STATUS_ARCHIVED: was 3, and is 4",
    ),
    (
        "a method",
        |s| {
            file(s, "query_service").service[0]
                .method
                .retain(|method| method.name() != "GetItem")
        },
        "depot.v1.QueryService/GetItem: the method was taken away",
    ),
    (
        "a service",
        |s| file(s, "query_service").service.clear(),
        "depot.v1.QueryService/WatchItems: the method was taken away",
    ),
    (
        "an answer",
        |s| file(s, "query_service").service[0].method[0].server_streaming = Some(true),
        "depot.v1.QueryService/GetItem: its answer was .depot.v1.Item (stream: false), and is .depot.v1.Item (stream: true)",
    ),
];

#[test]
fn each_kind_of_break_of_the_grpc_contract_is_found() {
    for (name, change, told) in BREAKS {
        let mut new = own();
        change(&mut new);
        let found = breaks::of(&own(), &new);
        assert!(found.iter().any(|found| found == told), "{name}: {found:#?}");
    }
}

#[test]
fn what_may_come_is_no_break_of_the_grpc_contract() {
    let mut new = own();
    let mut field = item(&mut new).field[2].clone();
    (field.number, field.name, field.json_name) = (Some(99), Some("colour".into()), Some("colour".into()));
    item(&mut new).field.push(field);
    let mut word = status(&mut new).value[3].clone();
    (word.number, word.name) = (Some(9), Some("ITEM_STATUS_LOST".into()));
    status(&mut new).value.push(word);
    let mut method = file(&mut new, "query_service").service[0].method[0].clone();
    method.name = Some("GetItemAgain".into());
    file(&mut new, "query_service").service[0].method.push(method);
    assert_eq!(breaks::of(&own(), &new), Vec::<String>::new());
}
