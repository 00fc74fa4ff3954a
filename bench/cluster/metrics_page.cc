#include "bench/cluster/metrics_page.h"

#include <httplib.h>

#include <cstdlib>
#include <sstream>

#include "base/address.h"

namespace ringkv::bench {

Result<MetricsPage> MetricsPage::Fetch(const std::string& http_address) {
  const Result<HostPort> address = ParseAddress(http_address, PortZero::kRefused);
  if (!address.ok()) return address.status();
  httplib::Client client(address->host, address->port);
  const auto answer = client.Get("/metrics");
  if (!answer || answer->status != 200) {
    return Status::Unavailable(http_address + " does not show its metrics");
  }
  return Parse(answer->body);
}

MetricsPage MetricsPage::Parse(const std::string& text) {
  MetricsPage page;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.rfind(' ');
    if (space == std::string::npos) continue;
    std::string name = line.substr(0, space), labels;
    if (const size_t brace = name.find('{'); brace != std::string::npos) {
      labels = name.substr(brace + 1, name.rfind('}') - brace - 1);
      name.resize(brace);
    }
    page.samples_[name].push_back({labels, std::strtod(line.c_str() + space, nullptr)});
  }
  return page;
}

double MetricsPage::Sum(const std::string& name, const std::string& label) const {
  const auto found = samples_.find(name);
  if (found == samples_.end()) return 0;
  double sum = 0;
  for (const Sample& sample : found->second) {
    if (sample.labels.find(label) != std::string::npos) sum += sample.value;
  }
  return sum;
}

}  // namespace ringkv::bench
