use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
};

/// The package of the contract; what it imports is not ours.
const PACKAGE: &str = "depot.v1";

/// All that a contract declares, by full name.
#[derive(Default)]
struct Declared<'a> {
    messages: BTreeMap<String, &'a DescriptorProto>,
    enums: BTreeMap<String, &'a EnumDescriptorProto>,
    methods: BTreeMap<String, &'a MethodDescriptorProto>,
}

impl<'a> Declared<'a> {
    fn of(set: &'a FileDescriptorSet) -> Self {
        let mut declared = Self::default();
        for file in set.file.iter().filter(|file| file.package() == PACKAGE) {
            for message in &file.message_type {
                declared.message(PACKAGE, message);
            }
            for words in &file.enum_type {
                declared
                    .enums
                    .insert(format!("{PACKAGE}.{}", words.name()), words);
            }
            for service in &file.service {
                for method in &service.method {
                    let name = format!("{PACKAGE}.{}/{}", service.name(), method.name());
                    declared.methods.insert(name, method);
                }
            }
        }
        declared
    }

    fn message(&mut self, parent: &str, message: &'a DescriptorProto) {
        let name = format!("{parent}.{}", message.name());
        for nested in &message.nested_type {
            self.message(&name, nested);
        }
        for words in &message.enum_type {
            self.enums.insert(format!("{name}.{}", words.name()), words);
        }
        self.messages.insert(name, message);
    }
}

/// What breaks for who was built with the older of two contracts, one line each.
pub fn of(old: &FileDescriptorSet, new: &FileDescriptorSet) -> Vec<String> {
    let (old, new) = (Declared::of(old), Declared::of(new));
    let mut breaks = Vec::new();
    for (name, before) in &old.messages {
        match new.messages.get(name) {
            Some(after) => fields(name, before, after, &mut breaks),
            None => breaks.push(format!("{name}: the message was taken away")),
        }
    }
    for (name, before) in &old.enums {
        match new.enums.get(name) {
            Some(after) => values(name, before, after, &mut breaks),
            None => breaks.push(format!("{name}: the enumeration was taken away")),
        }
    }
    for (name, before) in &old.methods {
        match new.methods.get(name) {
            Some(after) => method(name, before, after, &mut breaks),
            None => breaks.push(format!("{name}: the method was taken away")),
        }
    }
    breaks
}

fn fields(name: &str, before: &DescriptorProto, after: &DescriptorProto, breaks: &mut Vec<String>) {
    for field in &before.field {
        let number = field.number();
        let at = format!("{name}, field {number} {}", field.name());
        // A number is what stands on the wire.
        let Some(other) = after.field.iter().find(|other| other.number() == number) else {
            breaks.push(format!("{at}: was taken away"));
            continue;
        };
        let mut differs = |what: &str, before: String, after: String| {
            if before != after {
                breaks.push(format!("{at}: {what} was {before}, and is {after}"));
            }
        };
        differs("its name", field.name().to_owned(), other.name().to_owned());
        differs(
            "its name in JSON",
            field.json_name().to_owned(),
            other.json_name().to_owned(),
        );
        differs("its type", kind(field), kind(other));
        differs(
            "how often it is there",
            format!("{:?}", field.label()),
            format!("{:?}", other.label()),
        );
        differs("its presence", presence(before, field), presence(after, other));
    }
}

/// For example `TYPE_MESSAGE .depot.v1.Item`.
fn kind(field: &FieldDescriptorProto) -> String {
    format!("{} {}", field.r#type().as_str_name(), field.type_name())
}

/// `optional`, the oneof that it is one of, or nothing of the kind.
fn presence(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let index = field.oneof_index.and_then(|index| usize::try_from(index).ok());
    match index.and_then(|index| message.oneof_decl.get(index)) {
        _ if field.proto3_optional() => "optional".to_owned(),
        Some(oneof) => format!("one of {}", oneof.name()),
        None => "implied".to_owned(),
    }
}

fn values(name: &str, before: &EnumDescriptorProto, after: &EnumDescriptorProto, breaks: &mut Vec<String>) {
    for value in &before.value {
        let same = |other: &&prost_types::EnumValueDescriptorProto| other.name() == value.name();
        match after.value.iter().find(same) {
            Some(other) if other.number() == value.number() => {}
            Some(other) => breaks.push(format!(
                "{name}.{}: was {}, and is {}",
                value.name(),
                value.number(),
                other.number()
            )),
            None => breaks.push(format!("{name}.{}: was taken away", value.name())),
        }
    }
}

fn method(
    name: &str,
    before: &MethodDescriptorProto,
    after: &MethodDescriptorProto,
    breaks: &mut Vec<String>,
) {
    let mut differs = |what: &str, before: String, after: String| {
        if before != after {
            breaks.push(format!("{name}: {what} was {before}, and is {after}"));
        }
    };
    let request =
        |of: &MethodDescriptorProto| format!("{} (stream: {})", of.input_type(), of.client_streaming());
    let answer =
        |of: &MethodDescriptorProto| format!("{} (stream: {})", of.output_type(), of.server_streaming());
    differs("its request", request(before), request(after));
    differs("its answer", answer(before), answer(after));
}
