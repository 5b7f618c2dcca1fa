"""TensorFlow's Example classes without TensorFlow, as Google's protobuf makes them: the oracle."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

# Of tensorflow/core/example: what has which number, and is what.
_FORMAT = """
name: 'example.proto' package: 'tf' syntax: 'proto3'
message_type { name: 'BytesList' field {
  name: 'value' number: 1 label: LABEL_REPEATED type: TYPE_BYTES } }
message_type { name: 'FloatList' field {
  name: 'value' number: 1 label: LABEL_REPEATED type: TYPE_FLOAT } }
message_type { name: 'Int64List' field {
  name: 'value' number: 1 label: LABEL_REPEATED type: TYPE_INT64 } }
message_type { name: 'Feature'
  field { name: 'bytes_list' number: 1 type: TYPE_MESSAGE type_name: '.tf.BytesList' }
  field { name: 'float_list' number: 2 type: TYPE_MESSAGE type_name: '.tf.FloatList' }
  field { name: 'int64_list' number: 3 type: TYPE_MESSAGE type_name: '.tf.Int64List' } }
message_type { name: 'FeatureList' field {
  name: 'feature' number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: '.tf.Feature' } }
message_type { name: 'Features'
  nested_type { name: 'FeatureEntry' options { map_entry: true }
    field { name: 'key' number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: 'value' number: 2 label: LABEL_OPTIONAL
      type: TYPE_MESSAGE type_name: '.tf.Feature' } }
  field { name: 'feature' number: 1 label: LABEL_REPEATED
    type: TYPE_MESSAGE type_name: '.tf.Features.FeatureEntry' } }
message_type { name: 'FeatureLists'
  nested_type { name: 'FeatureListEntry' options { map_entry: true }
    field { name: 'key' number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: 'value' number: 2 label: LABEL_OPTIONAL
      type: TYPE_MESSAGE type_name: '.tf.FeatureList' } }
  field { name: 'feature_list' number: 1 label: LABEL_REPEATED
    type: TYPE_MESSAGE type_name: '.tf.FeatureLists.FeatureListEntry' } }
message_type { name: 'Example'
  field { name: 'features' number: 1 type: TYPE_MESSAGE type_name: '.tf.Features' } }
message_type { name: 'SequenceExample'
  field { name: 'context' number: 1 type: TYPE_MESSAGE type_name: '.tf.Features' }
  field { name: 'feature_lists' number: 2 type: TYPE_MESSAGE type_name: '.tf.FeatureLists' } }
"""


def google(name):
    """An empty Example or SequenceExample."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_FORMAT, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f'tf.{name}'))()
