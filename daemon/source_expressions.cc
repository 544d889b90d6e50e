#include "daemon/source_expressions.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "ingest/source_kafka.h"
#include "rules/cel/compile.h"
#include "rules/issue_places.h"

namespace vigil::daemon {
namespace {

using cep::TypeKind;

// One expression, and what it may be.
struct Asked {
  const ExpressionConfig& expression;
  const char* key;
  std::initializer_list<TypeKind> kinds;  // dyn is checked when it is evaluated
  const char* expected;
};

void Check(const Asked& asked, const cep::Schema& schema, const rules::Document& document,
           rules::Reporter* reporter) {
  const rules::Node* const node = asked.expression.node;
  if (node == nullptr) return;
  cep::Layout layout;
  rules::cel::Environment environment;
  environment.schema = &schema;
  environment.layout = &layout;
  const rules::cel::Compiled compiled =
      rules::cel::CompileValue(asked.expression.text, environment);
  const rules::Place place{&document.source, node->range};
  if (node->is_hidden) {
    if (compiled.ok) return;
    reporter->Report(rules::Code::kMalformed, place,
                     std::string("the expression of `") + asked.key + "` is not valid");
    return;
  }
  rules::IssueReporter({}, reporter)
      .Report(compiled.issues, {&document.source, node, asked.expression.text, 0});
  const TypeKind kind = compiled.type.kind;
  if (!compiled.ok || kind == TypeKind::kDyn ||
      std::find(asked.kinds.begin(), asked.kinds.end(), kind) != asked.kinds.end()) {
    return;
  }
  reporter->Report(rules::Code::kWrongKind, place,
                   std::string("`") + asked.key + "` is " + asked.expected + ", this is " +
                       compiled.type.ToString());
}

// The schema without the field `kafka` as WithKafkaField() adds it.
cep::Schema WithoutKafka(const cep::Schema& schema) {
  std::vector<cep::Field> fields;
  for (const cep::Field& field : schema.fields()) {
    const bool is_added = field.name == ingest::kKafkaField &&
                          field.type.kind == TypeKind::kObject &&
                          field.type.Find("headers") != nullptr;
    if (!is_added) fields.push_back(field);
  }
  return cep::Schema(std::move(fields), schema.undeclared());
}

}  // namespace

std::vector<rules::Diagnostic> CheckExpressions(const Config& config, const cep::Schema& schema) {
  rules::Reporter reporter;
  if (config.document == nullptr) return {};
  const cep::Schema plain = WithoutKafka(schema);
  for (const SourceConfig& source : config.sources) {
    const cep::Schema& own = source.kafka ? schema : plain;
    Check({source.event_time.expression,
           "event_time",
           {TypeKind::kInt, TypeKind::kUint, TypeKind::kDouble, TypeKind::kTimestamp},
           "a number of milliseconds or a timestamp"},
          plain, *config.document, &reporter);
    Check({source.watermark.punctuated, "punctuated", {TypeKind::kBool}, "a condition"}, own,
          *config.document, &reporter);
    Check({source.id,
           "id",
           {TypeKind::kString, TypeKind::kBytes, TypeKind::kInt, TypeKind::kUint, TypeKind::kBool},
           "a text, bytes, an int or a bool"},
          own, *config.document, &reporter);
  }
  return reporter.Take();
}

std::vector<rules::SourceTexts> ExpressionsOf(const Config& config) {
  std::vector<rules::SourceTexts> texts;
  for (const SourceConfig& source : config.sources) {
    rules::SourceTexts text{source.name, source.event_time.expression.text,
                            source.watermark.punctuated.text, source.id.text};
    if (text.event_time.empty() && text.punctuated.empty() && text.id.empty()) continue;
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace vigil::daemon
