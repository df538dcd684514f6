#include "kinds/transformer/content.hpp"

#include "data/sequences.hpp"

namespace seqrec::trainer {

Content content_of(at::Tensor rows, const Dataset& data, Part part, std::span<const std::int32_t> said) {
    Content content{std::move(rows)};
    for (const std::int64_t count : Sequences(data, part, nullptr).counts(data.items()))
        content.trained.push_back(count > 0);
    for (const std::int32_t item : said) content.trained[static_cast<std::size_t>(item)] = 1;
    if (!content.exists()) return content;
    const at::Tensor some = content.rows.abs().amax(1).contiguous();
    for (std::int64_t i = 0; i < some.size(0); ++i)
        content.described.push_back(some.data_ptr<float>()[i] > 0);
    return content;
}

}  // namespace seqrec::trainer
