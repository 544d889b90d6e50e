#include "daemon/config_outputs.h"

#include <algorithm>

#include "daemon/config_values.h"

namespace vigil::daemon {
namespace {

using rules::Code;
using rules::Node;
using rules::SectionReader;
using S = ConfigSection;

void ReadKafka(const SectionReader& section, SinkConfig* sink) {
  sink->kind = SinkConfig::Kind::kKafka;
  sink->topic = ReadText(section, "topic");
  sink->key = ReadText(section, "key");
  sink->brokers = ReadBrokers(section);
  sink->properties = ReadProperties(section);
  sink->name = "kafka:" + sink->topic;
}

void ReadFile(const SectionReader& section, std::string_view key, const std::string& folder,
              SinkConfig* sink) {
  const std::string path = ReadText(section, key);
  sink->kind = SinkConfig::Kind::kFile;
  sink->path = ResolvePath(folder, path);
  sink->name = "file:" + path;
}

void ReadRotation(const SectionReader& section, SinkConfig* sink) {
  sink->rotate_bytes = ReadBytes(section, "size").value_or(0);
  sink->rotate_every_ms = section.DurationMs("every").value_or(0);
  sink->rotate_keep = static_cast<uint32_t>(section.Count("keep").value_or(0));
}

SinkConfig ReadSink(const SectionReader& section, const std::string& folder) {
  SinkConfig sink;
  const int kinds = section.Has("kafka") + section.Has("file") + section.Has("stdout");
  if (section.is_mapping() && kinds != 1) {
    section.reporter().Report(kinds > 1 ? Code::kConflict : Code::kMissingKey, section.place(),
                              "a sink has one of `kafka`, `file` and `stdout`");
  }
  if (const Node* kafka = section.Get("kafka")) {
    ReadKafka(Inner(S::kKafkaSink, section, *kafka), &sink);
  } else if (const Node* file = section.Get("file")) {
    if (file->is_mapping()) {
      const SectionReader inner = Inner(S::kFileSink, section, *file);
      ReadFile(inner, "path", folder, &sink);
      if (const Node* rotate = inner.Get("rotate")) {
        ReadRotation(Inner(S::kRotate, inner, *rotate), &sink);
      }
    } else {
      ReadFile(section, "file", folder, &sink);
    }
  } else if (const Node* node = section.Get("stdout")) {
    sink.is_text = Inner(S::kStdoutSink, section, *node).Word("format").value_or(0) == 1;
    sink.name = "stdout";
  }
  if (section.Has("name")) sink.name = ReadText(section, "name");
  sink.buffer_bytes = ReadBytes(section, "buffer").value_or(sink.buffer_bytes);
  sink.drops_when_full = section.Word("on_full").value_or(0) == 1;
  sink.is_immediate = section.Word("delivery").value_or(0) == 1;
  return sink;
}

// A sink's name finds its position again after a restart, so two alike would share one.
void AddSink(SinkConfig sink, const SectionReader& section, std::vector<SinkConfig>* sinks) {
  const bool is_taken = std::any_of(sinks->begin(), sinks->end(), [&](const SinkConfig& other) {
    return !sink.name.empty() && other.name == sink.name;
  });
  if (is_taken) {
    section.reporter().Report(Code::kConflict, section.place(),
                              "an output has two sinks of the same name",
                              "a sink's name is its `name`, else its kind and target");
  }
  sinks->push_back(std::move(sink));
}

std::vector<SinkConfig> ReadSinks(const SectionReader& file, const Node& key, const Node& list,
                                  const std::string& folder) {
  std::vector<SinkConfig> sinks;
  if (!list.is_sequence()) {
    file.reporter().Report(Code::kWrongKind, file.PlaceOf(list.is_null() ? key : list),
                           "the output `" + std::string(key.value) +
                               "` takes a list of sinks, this is " +
                               std::string(DescribeKind(list)));
    return sinks;
  }
  for (const Node& node : list.children) {
    const SectionReader section = Inner(S::kSink, file, node);
    AddSink(ReadSink(section, folder), section, &sinks);
  }
  return sinks;
}

}  // namespace

std::map<std::string, std::vector<SinkConfig>> ReadOutputs(const SectionReader& file,
                                                           const std::string& folder) {
  std::map<std::string, std::vector<SinkConfig>> outputs;
  const Node* node = file.Get("outputs");
  for (size_t i = 0; node != nullptr && i < node->entries(); ++i) {
    const Node& key = node->key(i);
    if (!key.is_scalar()) continue;  // reported
    CheckName(file, key, "output");
    outputs[std::string(key.value)] = ReadSinks(file, key, node->entry(i), folder);
  }
  return outputs;
}

}  // namespace vigil::daemon
