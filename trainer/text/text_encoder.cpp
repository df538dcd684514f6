#include "text/text_encoder.hpp"

#include "text/bert_encoder.hpp"
#include "text/hashed_text_encoder.hpp"

namespace seqrec::trainer {

std::unique_ptr<const TextEncoder> open_text_encoder(const std::string& folder) {
    if (folder.empty()) return std::make_unique<HashedTextEncoder>();
    return open_bert_encoder(folder);
}

}  // namespace seqrec::trainer
