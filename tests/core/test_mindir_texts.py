"""Metadata of MINDIR files, in the declarations of older MindSpore and of today's: a list of entries and a mapping."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mindpoint.storage.mindir_texts import add_texts, read_texts

TEXTS = {"mindpoint.version": "1", "名": "é\n", "empty": ""}


def model_of(mapping):
    """Return the class of a message with ``user_info``."""
    file = descriptor_pb2.FileDescriptorProto(name=f"model{mapping}.proto", package=f"model{mapping}", syntax="proto2")
    model = file.message_type.add(name="ModelProto")
    entry = model.nested_type.add(name="UserInfoEntry")
    entry.options.map_entry = mapping
    for number, name in enumerate(("key", "value"), 1):
        entry.field.add(name=name, number=number, type="TYPE_STRING", label="LABEL_OPTIONAL")
    entry_type = f".model{mapping}.ModelProto.UserInfoEntry"
    model.field.add(name="user_info", number=11, type="TYPE_MESSAGE", label="LABEL_REPEATED", type_name=entry_type)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"model{mapping}.ModelProto"))


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("read", [True, False])
def test_each_reads_what_the_other_wrote(written, read):
    content = model_of(written)()
    add_texts(content, {"mindpoint.version": "0"})
    add_texts(content, TEXTS)
    assert read_texts(model_of(read).FromString(content.SerializeToString())) == TEXTS
