// What the daemon says and does over HTTP: health, metrics, status, rules and their edits, reload,
// pause, drain.
//
// `/healthz` and `/readyz` are open. Reading needs `read_token` or `operate_token` if one is
// configured for it; operating always needs `operate_token`, so without one it is off: a page in a
// browser on the same machine must not be able to stop a job. Described in docs/openapi.yaml.
// Tests: tests/daemon/admin_api_test.cc, tests/integration/run_test.cc.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/job_view.h"
#include "daemon/reloader.h"
#include "io/http_server.h"

namespace vigil::daemon {

enum class Role : uint8_t { kOpen, kRead, kOperate };

// Thread safety: all may be called by any thread.
class AdminApi {
 public:
  struct Route {
    const char* method;
    const char* path;  // a part in braces stands for any text without a slash
    Role role;
    io::HttpResponse (AdminApi::*answer)(const io::HttpRequest&);
  };
  static const std::vector<Route>& Routes();

  // `job` and `reloader` are borrowed.
  AdminApi(const ListenConfig& config, JobView* job, Reloader* reloader)
      : config_(config), job_(job), reloader_(reloader) {}

  io::HttpResponse Answer(const io::HttpRequest& request);
  // Whether answering may take longer than a look into memory.
  static bool MayWait(const io::HttpRequest& request);

 private:
  io::HttpResponse Health(const io::HttpRequest&);
  io::HttpResponse Ready(const io::HttpRequest&);
  io::HttpResponse Metrics(const io::HttpRequest&);
  io::HttpResponse Status(const io::HttpRequest&);
  io::HttpResponse ListRules(const io::HttpRequest&);
  io::HttpResponse GetRule(const io::HttpRequest&);
  io::HttpResponse PutRule(const io::HttpRequest&);
  io::HttpResponse DeleteRule(const io::HttpRequest&);
  io::HttpResponse GetRuleSet(const io::HttpRequest&);
  io::HttpResponse PutRuleSet(const io::HttpRequest&);
  io::HttpResponse DryRun(const io::HttpRequest&);
  io::HttpResponse Reload(const io::HttpRequest&);
  io::HttpResponse Pause(const io::HttpRequest&);
  io::HttpResponse Resume(const io::HttpRequest&);
  io::HttpResponse Checkpoint(const io::HttpRequest&);
  io::HttpResponse Drain(const io::HttpRequest&);

  io::HttpResponse Edit(const io::HttpRequest& request, const Reloader::Plan& plan);
  bool IsAllowed(const io::HttpRequest& request, Role role) const;

  const ListenConfig config_;
  JobView* job_;
  Reloader* reloader_;
};

}  // namespace vigil::daemon
