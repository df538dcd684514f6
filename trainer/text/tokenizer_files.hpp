// A tokenizer from the files of a model folder.
#pragma once

#include "text/model_folder.hpp"
#include "text/wordpiece.hpp"

namespace seqrec::trainer {

/// Reads tokenizer.json or vocab.txt, and tokenizer_config.json, special_tokens_map.json and
/// sentence_bert_config.json where they are there. A text has at most `positions` tokens. Errors: 58030 (no
/// vocabulary), XX001, 0A000 (a tokenizer other than BERT's WordPiece).
/// 读取 tokenizer.json 或 vocab.txt，以及存在时的 tokenizer_config.json、special_tokens_map.json 与
/// sentence_bert_config.json。文本至多 positions 个词元。
WordPiece read_tokenizer(ModelFolder& folder, std::int64_t positions);

}  // namespace seqrec::trainer
