// The `vigil` binary: a table of subcommands, each with its options (design: docs/operations.md).

#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>

#include "cmd/check.h"
#include "cmd/eval.h"
#include "cmd/exit_codes.h"
#include "cmd/explain.h"
#include "cmd/loading.h"
#include "cmd/record.h"
#include "cmd/replay.h"
#include "cmd/run.h"
#include "cmd/schema_infer.h"
#include "cmd/schema_rules.h"
#include "cmd/state.h"

namespace vigil::cmd {
namespace {

// Adds a subcommand's options and what to run; the exit code goes to `exit_code`.
using AddOptions = void (*)(CLI::App* command, int* exit_code);

struct Subcommand {
  const char* name;
  const char* description;
  AddOptions add;
};

template <typename Options>
std::shared_ptr<Options> NewOptions() {
  return std::make_shared<Options>();
}

void AddReplay(CLI::App* command, int* exit_code) {
  const auto o = NewOptions<ReplayOptions>();
  command->add_option("-r,--rules", o->rules, "Rule files or folders")->allow_extra_args(false);
  command->add_option("-c,--config", o->config_file,
                      "Configuration: its rules, and defaults for what is not given here");
  command->add_option(
      "--schema", o->schema_file,
      "Schema file, FILE.desc#MESSAGE, .avsc or a registry's URL; inferred without");
  command->add_option("--time-field", o->time_field, "Field with the event time")
      ->default_str("ts");
  command->add_option("--time-unit", o->time_unit, "s, ms, us, ns or rfc3339")->default_str("ms");
  command->add_option("--disorder", o->disorder, "How late events may be, such as 2s")
      ->default_str("0s");
  command->add_option("--shards", o->shards, "Threads that share the keys")
      ->check(CLI::Range(1, 1024))
      ->default_str("1");
  command->add_flag("--strict", o->strict, "Validate every record whole");
  command->add_flag(
      "--positions", o->positions,
      "Records carry _source _topic _partition _offset; each partition has its own watermark");
  command->add_option("-o,--output", o->output,
                      "Write records as JSON lines to a file, or - for standard output");
  command->add_option("--stats", o->stats_file, "Write statistics as JSON to a file");
  CLI::Option* const from = command->add_option(
      "--from-checkpoint", o->from_checkpoint,
      "A state directory, checkpoint or savepoint of the job: go on there as the daemon did");
  command
      ->add_option("--journal", o->journal,
                   "A later state of the job, whose journal says what else happened to it")
      ->needs(from);
  command->add_flag("--accept-loss", o->accepts_loss, "Go on without records that are gone")
      ->needs(from);
  command->add_option("--until-alert", o->until_alert,
                      "End with the alert of this id; without -o write nothing else");
  command->add_option("inputs", o->inputs,
                      ".jsonl or .csv, also .gz and .zst; - is standard input. From a checkpoint, "
                      "without any: the configuration's sources");
  command->callback([o, exit_code] {
    if (o->inputs.empty() && o->from_checkpoint.empty()) throw CLI::RequiredError("inputs");
    if (o->rules.empty() && o->config_file.empty()) throw CLI::RequiredError("--rules");
    *exit_code = RunReplay(*o);
  });
}

void AddRun(CLI::App* command, int* exit_code) {
  const auto o = NewOptions<daemon::RunOptions>();
  const auto format = std::make_shared<std::string>("text");
  const auto drain_s = std::make_shared<double>(30);
  command->add_option("-c,--config", o->config_file, "The job's configuration")->required();
  command->add_option("--log-format", *format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
  command->add_option("--log-level", o->log_level, "What is logged: from this level on")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->default_str("info");
  command
      ->add_option("--drain-timeout", *drain_s,
                   "Seconds to deliver what was read, once the daemon is to stop")
      ->check(CLI::Range(0.0, 86400.0))
      ->default_str("30");
  command->add_flag("--accept-loss", o->accepts_loss,
                    "Go on although records that were read or waited are gone; count them as lost");
  const auto rollback = std::make_shared<std::string>("refuse");
  command
      ->add_option("--after-rollback", *rollback,
                   "Of a sink that is ahead of the state: refuse, skip-delivered or redeliver what "
                   "comes again")
      ->check(CLI::IsMember({"refuse", "skip-delivered", "redeliver"}))
      ->default_str("refuse");
  command->callback([o, format, drain_s, rollback, exit_code] {
    if (*rollback == "redeliver") o->after_rollback = daemon::AfterRollback::kRedeliver;
    if (*rollback == "skip-delivered") o->after_rollback = daemon::AfterRollback::kSkipDelivered;
    o->log_format = *format == "json" ? daemon::LogFormat::kJson : daemon::LogFormat::kText;
    o->drain_limit = std::chrono::milliseconds(static_cast<int64_t>(*drain_s * 1000));
    *exit_code = RunRun(*o);
  });
}

void AddRecord(CLI::App* command, int* exit_code) {
  const auto o = NewOptions<RecordOptions>();
  command->add_option("-c,--config", o->config_file, "Configuration with the sources")->required();
  command->add_option("-o,--output", o->output, "The file to write; - is standard output")
      ->required();
  command->add_option("--source", o->recorder.source, "One source only");
  command->add_flag("--end", o->recorder.stops_at_end,
                    "Stop at the end, as with `stop: end`; else at a signal");
  command->add_flag("--kafka-field", o->recorder.has_kafka_field,
                    "Also write the field kafka: key, headers, timestamp");
  command->callback([o, exit_code] { *exit_code = RunRecord(*o); });
}

void AddCheck(CLI::App* command, int* exit_code) {
  const auto o = NewOptions<CheckOptions>();
  const auto format = std::make_shared<std::string>("text");
  command->add_option("-r,--rules,rules", o->rules, "Rule files or folders");
  command->add_option("-c,--config", o->config_file,
                      "Configuration; checked with the rules and the schema that it names");
  command->add_option("--schema", o->schema_file,
                      "Schema file, FILE.desc#MESSAGE, .avsc or a registry's URL; dyn without");
  command->add_option("--format", *format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->callback([o, format, exit_code] {
    if (o->rules.empty() && o->config_file.empty()) throw CLI::RequiredError("--rules");
    o->json = *format == "json";
    *exit_code = RunCheck(*o, std::cout, std::cerr);
  });
}

void AddExplain(CLI::App* command, int* exit_code) {
  const auto o = NewOptions<ExplainOptions>();
  command->add_option("-r,--rules", o->rules, "Rule files or folders")->required();
  command->add_option("--rule", o->rule, "One rule only");
  command->add_option("--schema", o->schema_file,
                      "Schema file, FILE.desc#MESSAGE, .avsc or a registry's URL; dyn without");
  CLI::Option* dot = command->add_flag("--dot", o->dot, "The automaton for Graphviz");
  command->add_flag("--mermaid", o->mermaid, "The automaton as a Mermaid diagram")->excludes(dot);
  command->callback([o, exit_code] { *exit_code = RunExplain(*o, std::cout, std::cerr); });
}

void AddEval(CLI::App* command, int* exit_code) {
  const auto o = NewOptions<EvalOptions>();
  command->add_option("expression", o->expression,
                      "A CEL expression; without one on a terminal, a prompt for many");
  command->add_option("--var", o->vars, "A variable, NAME=JSON")->allow_extra_args(false);
  command->add_option("--schema", o->schema_file, "Variables are the fields of this schema");
  CLI::Option* jsonl =
      command->add_flag("--jsonl", o->jsonl, "Answer cases from standard input, one a line");
  command
      ->add_flag("--functions", o->functions,
                 "List the functions; with a word in place of the expression, those that have it")
      ->excludes(jsonl);
  command->callback([o, exit_code, command] {
    const bool prompt = !o->jsonl && !o->functions && o->expression.empty();
    if ((o->jsonl && !o->expression.empty()) || (prompt && isatty(STDIN_FILENO) == 0)) {
      std::cerr << "error: give an expression, --jsonl or --functions\n" << command->help();
      *exit_code = kExitUsage;
      return;
    }
    std::shared_ptr<const cep::Schema> schema;
    if (!o->schema_file.empty()) {
      schema = LoadSchemaOrReport(o->schema_file, std::cerr);
      if (schema == nullptr) {
        *exit_code = kExitFindings;
        return;
      }
    }
    *exit_code = RunEval(*o, schema.get(), std::cin, std::cout, std::cerr);
  });
}

void AddSchema(CLI::App* command, int* exit_code) {
  command->require_subcommand(1);
  CLI::App* infer = command->add_subcommand("infer", "A schema file from a recorded input");
  const auto file = std::make_shared<std::string>();
  infer->add_option("file", *file, "The input; - is standard input")->required();
  infer->callback([file, exit_code] { *exit_code = RunSchemaInfer(*file, std::cout, std::cerr); });
  CLI::App* rules = command->add_subcommand("rules", "The JSON Schema of the rule language");
  rules->callback([exit_code] { *exit_code = RunSchemaRules(std::cout); });
}

void AddState(CLI::App* command, int* exit_code) {
  command->require_subcommand(1);
  const auto o = NewOptions<InspectOptions>();
  const auto add = [command, o](const char* name, const char* description) {
    CLI::App* added = command->add_subcommand(name, description);
    added->add_option("directory", o->directory, "A state directory, or one of its checkpoints")
        ->required();
    return added;
  };
  const auto whole = [o] { return StateOptions{o->directory, o->json}; };
  CLI::App* list = add("list", "The state and its checkpoints");
  list->add_flag("--json", o->json, "As JSON lines");
  list->callback([whole, exit_code] { *exit_code = RunStateList(whole(), std::cout, std::cerr); });
  CLI::App* inspect = add("inspect", "Where it stands; which keys hold which partial matches");
  inspect->add_flag("--keys", o->keys, "Every key and its partial matches");
  inspect->add_option("--key", o->key, "One key's: its values, separated by commas");
  inspect->add_flag("--json", o->json, "As JSON lines");
  inspect->add_flag("!--no-events", o->events, "Without the events' texts");
  inspect->callback([o, exit_code] { *exit_code = RunStateInspect(*o, std::cout, std::cerr); });
  CLI::App* verify = add("verify", "Read all of it: is it whole?");
  verify->add_flag("--json", o->json, "As JSON");
  verify->callback(
      [whole, exit_code] { *exit_code = RunStateVerify(whole(), std::cout, std::cerr); });
  CLI::App* exported = add("export", "All of it as JSON lines");
  exported->callback(
      [whole, exit_code] { *exit_code = RunStateExport(whole(), std::cout, std::cerr); });
  CLI::App* restore =
      command->add_subcommand("restore", "A new state directory from a checkpoint or savepoint");
  const auto from = std::make_shared<std::string>();
  restore->add_option("from", *from, "A checkpoint's directory or a savepoint's file")->required();
  restore->add_option("directory", o->directory, "The new state directory")->required();
  restore->callback([o, from, exit_code] {
    *exit_code = RunStateRestore(*from, o->directory, std::cout, std::cerr);
  });
}

void AddSavepoint(CLI::App* command, int* exit_code) {
  const auto directory = std::make_shared<std::string>();
  const auto file = std::make_shared<std::string>();
  command->add_option("directory", *directory, "A state directory, or one of its checkpoints")
      ->required();
  command->add_option("file", *file, "The savepoint to write")->required();
  command->callback([directory, file, exit_code] {
    *exit_code = RunSavepoint(*directory, *file, std::cout, std::cerr);
  });
}

constexpr Subcommand kSubcommands[] = {
    {"run", "The daemon: Kafka in, alerts out", AddRun},
    {"replay", "Run recorded events through rules", AddReplay},
    {"record", "Kafka topics to a file, for replays", AddRecord},
    {"check", "Compile rules and say what is wrong with them", AddCheck},
    {"explain", "Show what rules compiled to", AddExplain},
    {"eval", "Evaluate one expression", AddEval},
    {"state", "Look at durable state, and move it", AddState},
    {"schema", "Schemas of events and of the rule language", AddSchema},
    {"savepoint", "A portable copy of the state in one file", AddSavepoint},
};

int Main(int argc, char** argv) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) {
    std::cerr << "error: this binary needs a processor with AVX2 and BMI2 (Intel Haswell, AMD Zen, "
                 "or newer)\n";
    return kExitUsage;
  }
  std::ios::sync_with_stdio(false);
  CLI::App app("Complex event processing and fraud detection");
  app.name("vigil");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("vigil 0.1.0"));
  int exit_code = kExitOk;
  for (const Subcommand& subcommand : kSubcommands) {
    subcommand.add(app.add_subcommand(subcommand.name, subcommand.description), &exit_code);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace vigil::cmd

int main(int argc, char** argv) { return vigil::cmd::Main(argc, argv); }
