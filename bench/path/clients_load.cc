#include "bench/path/clients_load.h"

namespace ringkv::bench {

Status ClientsLoad::Start() {
  clients_ = MakeClients();
  for (auto& client : clients_) RINGKV_RETURN_IF_ERROR(client->Connect());
  for (auto& client : clients_) client->Begin();
  return Status::Ok();
}

void ClientsLoad::BeginMeasuring() {
  for (auto& client : clients_) client->BeginMeasuring();
  measured_from_ = RealClock().Now();
}

LoadFigures ClientsLoad::EndMeasuring() {
  LoadFigures figures;
  for (auto& client : clients_) client->AddFigures(&figures);
  figures.seconds = static_cast<double>((RealClock().Now() - measured_from_).count()) / 1e9;
  return figures;
}

void ClientsLoad::Stop() {
  operations_.End();
  for (auto& client : clients_) client->Finish();
  clients_.clear();
}

Status ClientsLoad::WriteAll() {
  operations_.EachOnce();
  RINGKV_RETURN_IF_ERROR(Start());
  for (auto& client : clients_) client->Finish();
  const LoadFigures figures = EndMeasuring();
  Stop();
  if (figures.failed > 0) return Status::Unavailable(figures.first_error);
  return Status::Ok();
}

}  // namespace ringkv::bench
