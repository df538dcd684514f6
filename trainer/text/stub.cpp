#include "core/error.hpp"
#include "text/text_encoder.hpp"

namespace seqrec::trainer {

std::unique_ptr<const TextEncoder> open_text_encoder(const std::string&) {
    throw Error(sqlstate::kFeatureNotSupported, "text is not read yet");
}

}  // namespace seqrec::trainer
