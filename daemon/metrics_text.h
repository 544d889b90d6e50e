// A job's metrics in Prometheus' text format. Names follow Flink's where it has one.
#pragma once

#include <string>

#include "daemon/job_view.h"
#include "daemon/reloader.h"

namespace vigil::daemon {

std::string MetricsText(JobView* job, const Reloader& reloader);

}  // namespace vigil::daemon
