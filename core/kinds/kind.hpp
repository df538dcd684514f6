// The kinds of models: what each is to the extension and to whoever asks for one. A new kind is a file of
// this folder, a line in kind.cpp, and the same in trainer/kinds/.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/kinds/encoder.hpp"
#include "core/kinds/score_form.hpp"
#include "core/options.hpp"

namespace seqrec {

/// What a kind learns from beside who interacted with what, and when.
/// 除交互记录外，某类模型还需要什么。
struct Needs {
    bool items = false, users = false;  ///< side tables
    bool text = false;                  ///< text of items
    bool context = false;               ///< further columns of the interactions
    bool label = false;                 ///< a column of the interactions that says how it went
    bool sequences = true;              ///< users with two interactions or more
};

/// A tensor that a snapshot holds beside the model file's, made for this machine's CPU so that all processes
/// share it: its name, its bytes, of which the tensors' lengths alone decide, and its contents. Error (data
/// corrupted) for a config that is not valid. A snapshot without it, or made for another CPU, serves as well.
/// 快照中为本机 CPU 预先制作、供各进程共享的张量：名称、字节数（只取决于张量长度）及内容。
/// config 无效时抛出 Error（数据损坏）。快照中没有它，或为其他 CPU 所制，同样可用。
struct Packing {
    std::string (*name)();
    std::size_t (*size)(const std::string& config, const TensorSource& tensors);
    void (*fill)(const std::string& config, const TensorSource& tensors, std::span<std::byte> to);
};

/// One kind of model.
/// 一类模型。
struct Kind {
    std::string_view name;
    std::string_view meaning;
    ScoreForm form;  ///< what its trainer writes; files say what they are themselves
    Needs needs;
    std::span<const OptionSpec> options;           ///< its own, beside those of all kinds
    std::span<const std::string_view> shape;       ///< options that decide the shape of the weights
    void (*check)(const nlohmann::json& options);  ///< what options mean together; Error 22023. May be null
    std::unique_ptr<const Encoder> (*open)(const SafetensorsFile& model);
    const Packing* packing = nullptr;  ///< null for none
};

/// Every kind of this build, the default first.
/// 本构建的全部类型，默认者在前。
std::vector<const Kind*> kinds();
/// A kind by name; Error 22023 with a hint that lists them when this build has none of that name.
/// 按名称查找；本构建没有该类型时抛出带提示的 Error 22023。
const Kind& find_kind(std::string_view name);
/// The kind that a model says it is of; Error 0A000, never a guess, when this build does not know it.
/// 模型所声明的类型；本构建不认识时抛出 Error 0A000，绝不猜测。
const Kind& kind_of_model(std::string_view name);
const Kind& kind_of(const SafetensorsFile& file);

/// A kind from outside this folder, for the life of the program: how tests link one in.
/// 在程序运行期间添加一个外部类型，供测试链接。
class LinkedKind {
  public:
    explicit LinkedKind(const Kind& kind);
    LinkedKind(const LinkedKind&) = delete;
    LinkedKind& operator=(const LinkedKind&) = delete;
};

}  // namespace seqrec
