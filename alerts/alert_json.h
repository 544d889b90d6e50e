// An alert as one JSON object in one line:
//   {"id","rule","rule_set","severity","output","kind":"match|timeout","at": ms,"time": RFC 3339,
//    "key":{FIELD: value},"events":{STAGE:[event, ...]},"positions":{STAGE:["PLACE/OFFSET", ...]},
//    "fields":{NAME: value},"summary","tags":[...]}
// in this order. `events` and `positions` name the stages that accepted any event, in rule order;
// an event is the original object, or the fields that some rule reads (Evidence::kUsed). Without
// `events` with Evidence::kRefs; `fields`, `summary` and `tags` only if the rule has them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alerts/alert.h"
#include "alerts/context.h"
#include "cep/event/record.h"

namespace vigil::alerts {

// Thread safety: const after construction.
class AlertJson {
 public:
  explicit AlertJson(std::shared_ptr<const AlertContext> context);

  // Sets `head` and `tail`, between which the name of an output stands (JSON-escaped, without
  // quotes).
  //   alert.rule   one of the context's.
  void Write(const Alert& alert, cep::Record* record) const;

 private:
  // What is the same in every alert of a rule.
  struct RuleText {
    std::string after_id;             // `","rule":...,"output":"`
    std::vector<std::string> keys;    // `"account":`, by key_names
    std::vector<std::string> stages;  // `"login":`, by stage_names
    std::string tags;                 // `,"tags":[...]`, or nothing
  };

  void AppendEvents(const Alert& alert, const RuleText& text, std::string* out) const;
  void AppendUsedFields(const cep::CapturedEvent& event, std::string* out) const;

  std::shared_ptr<const AlertContext> context_;
  std::vector<RuleText> rules_;
  std::vector<std::string> slots_;  // `"amount":`, by slot of the layout
};

}  // namespace vigil::alerts
