// The body of an outbox record, and how a record becomes what one sink is given.
//
// Body: number of key fields | for each: name, text (strings) | line (a string), as
// docs/state-format.md writes numbers and strings. Which field keys a message is the sink's choice,
// so all of the alert's key fields are kept.
// Tests: tests/daemon/outbox_sink_test.cc.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts/sink.h"
#include "cep/base/status.h"
#include "state/commit.h"

namespace vigil::daemon {

using KeyFields = std::vector<std::pair<std::string, std::string>>;

std::string EncodeOutboxBody(const KeyFields& keys, std::string_view line);

// `key_field`: which of the key fields keys the message; empty: none.
// Errors: DATA_LOSS for a body that is not what EncodeOutboxBody() makes.
StatusOr<alerts::Outgoing> DecodeOutboxRecord(const state::OutboxRecord& record,
                                              const std::string& key_field);

}  // namespace vigil::daemon
