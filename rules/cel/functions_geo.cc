// geo: distances on the Earth, taken as a sphere.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "rules/cel/functions.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr double kEarthRadiusKm = 6371.0088;  // the mean radius (IUGG)

bool ToDouble(const Value& value, double* out) {
  switch (value.tag) {
    case ValueTag::kDouble:
      *out = value.d;
      return true;
    case ValueTag::kInt:
      *out = static_cast<double>(value.i);
      return true;
    case ValueTag::kUint:
      *out = static_cast<double>(value.u);
      return true;
    default:
      return false;
  }
}

// Haversine: well conditioned for the short distances that rules ask about.
Value DistanceKm(CallContext&, const Value* args) {
  double degrees[4];
  for (int i = 0; i < 4; ++i) {
    if (!ToDouble(args[i], &degrees[i])) {
      return Value::Error("no such overload: geo.distance_km takes numbers");
    }
  }
  constexpr double kRadians = std::numbers::pi / 180.0;
  const double lat1 = degrees[0] * kRadians;
  const double lat2 = degrees[2] * kRadians;
  const double half_lat = std::sin((lat2 - lat1) / 2);
  const double half_lon = std::sin((degrees[3] - degrees[1]) * kRadians / 2);
  const double h = half_lat * half_lat + std::cos(lat1) * std::cos(lat2) * half_lon * half_lon;
  return Value::Double(2 * kEarthRadiusKm * std::asin(std::sqrt(std::min(1.0, h))));
}

}  // namespace

std::vector<FunctionRow> GeoRows() {
  return {
      {"geo.distance_km(<number>, <number>, <number>, <number>) -> double",
       "Kilometres along the surface from (latitude, longitude) to (latitude, longitude), degrees.",
       &DistanceKm},
  };
}

}  // namespace vigil::rules::cel
