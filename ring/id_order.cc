#include "ring/id_order.h"

#include <algorithm>

namespace ringkv {
namespace {

std::ptrdiff_t Offset(size_t offset) { return static_cast<std::ptrdiff_t>(offset); }

}  // namespace

IdOrder::IdOrder(const std::vector<NodeIndex>& nodes) {
  for (size_t i = 0; i < nodes.size(); i += kChunk) {
    const size_t end = std::min(nodes.size(), i + kChunk);
    chunks_.push_back(
        std::make_shared<const Chunk>(nodes.begin() + Offset(i), nodes.begin() + Offset(end)));
  }
  CountStarts();
}

NodeIndex IdOrder::operator[](size_t place) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), place);
  const auto chunk = static_cast<size_t>(after - starts_.begin()) - 1;
  return (*chunks_[chunk])[place - starts_[chunk]];
}

void IdOrder::Insert(Place place, NodeIndex node) {
  if (chunks_.empty()) {
    chunks_.push_back(std::make_shared<const Chunk>(1, node));
    return CountStarts();
  }
  if (!Holds(place)) place = {chunks_.size() - 1, chunks_.back()->size()};
  Chunk chunk;
  chunk.reserve(chunks_[place.chunk]->size() + 1);
  chunk = *chunks_[place.chunk];
  chunk.insert(chunk.begin() + Offset(place.offset), node);
  if (chunk.size() == 2 * kChunk) {
    chunks_.insert(chunks_.begin() + Offset(place.chunk) + 1,
                   std::make_shared<const Chunk>(chunk.begin() + Offset(kChunk), chunk.end()));
    chunk.resize(kChunk);
  }
  chunks_[place.chunk] = std::make_shared<const Chunk>(std::move(chunk));
  CountStarts();
}

void IdOrder::Erase(Place place) {
  Chunk chunk = *chunks_[place.chunk];
  chunk.erase(chunk.begin() + Offset(place.offset));
  if (chunk.empty()) {
    chunks_.erase(chunks_.begin() + Offset(place.chunk));
  } else {
    chunks_[place.chunk] = std::make_shared<const Chunk>(std::move(chunk));
  }
  CountStarts();
}

void IdOrder::CountStarts() {
  starts_.clear();
  size_ = 0;
  for (const auto& chunk : chunks_) {
    starts_.push_back(size_);
    size_ += chunk->size();
  }
}

}  // namespace ringkv
