#include "kinds/shared/epoch_settings.hpp"

#include <algorithm>

namespace seqrec::trainer {

int shards_of(std::int64_t batch, std::int64_t threads) {
    return static_cast<int>(std::clamp<std::int64_t>(batch / 256, 1, threads));
}

}  // namespace seqrec::trainer
