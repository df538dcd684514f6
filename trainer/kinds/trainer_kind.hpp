// What a kind of model is to the trainer. A new kind is a file or a folder here and a line in
// trainer_kind.cpp.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "core/kinds/kind.hpp"
#include "data/dataset.hpp"
#include "data/item_content.hpp"
#include "kinds/weights.hpp"
#include "run/earlier_model.hpp"
#include "run/reporter.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// What a training is given.
/// 训练所得到的一切。
struct Run {
    const Dataset& data;
    Workers& workers;
    Reporter& reporter;
    std::string checkpoint{};  ///< path of the state, which it goes on from when it is there; empty for none
    const ItemContent* content = nullptr;  ///< null when nothing is known of items
};

/// What a training gives.
/// 训练的产出。
struct Trained {
    std::unique_ptr<const Weights> measured;  ///< never saw what is held out
    std::unique_ptr<const Weights> served;
    nlohmann::json metrics = nlohmann::json::object();
    nlohmann::json config = nlohmann::json::object();  ///< every option as used, and what the encoder needs
};

/// A model of one kind that is going to be trained.
/// 即将训练的某类模型。
class Model {
  public:
    virtual ~Model() = default;
    /// Begins with the weights of an earlier model instead of random ones. Error 22023 when its shape is
    /// another.
    /// 以早先模型的权重而非随机权重开始；形状不同则抛出 Error 22023。
    virtual void start_from(const EarlierModel& earlier) = 0;
    virtual Trained train(const Run& run) = 0;
};

struct TrainerKind {
    const Kind* kind;
    /// `options` as resolve_options gives them, null = decided from the data; `earlier`: the configuration of
    /// the model that the training starts from, null for a fresh start.
    /// options 由 resolve_options 给出，null 表示由数据决定；earlier 为起始模型的配置，没有则为 null。
    std::unique_ptr<Model> (*make)(const nlohmann::json& options, const Dataset& data,
                                   const nlohmann::json& earlier);
    /// The weights of a model or snapshot file; Error XX001 when it lacks one.
    /// 读取模型或快照文件中的权重；缺失则抛出 Error XX001。
    std::unique_ptr<const Weights> (*read)(const SafetensorsFile& file);
    /// The weights of a model or snapshot file over other items: of each item the row that it had there or -1 (new),
    /// and its row of content, [items, width]. Null for a kind whose items can't be made without training.
    /// 将文件中的权重用于另一组物品：每个物品在文件中的行号（新物品为 -1）及其内容行 [物品数, width]。
    /// 物品无法不经训练而得的类型为空。
    std::unique_ptr<const Weights> (*refresh)(const SafetensorsFile& file,
                                              const std::vector<std::int32_t>& rows,
                                              const at::Tensor& content) = nullptr;
};

/// Error 22023 for a name that this build can't train.
/// 本构建无法训练该类型时抛出 Error 22023。
const TrainerKind& trainer_kind(std::string_view name);
/// The weights of a file of any kind.
/// 任意类型文件中的权重。
std::unique_ptr<const Weights> read_weights(const SafetensorsFile& file);

/// A kind from outside this folder, for the life of the program: how tests link one in.
/// 在程序运行期间添加一个外部类型，供测试链接。
class LinkedTrainerKind {
  public:
    explicit LinkedTrainerKind(const TrainerKind& kind);
    LinkedTrainerKind(const LinkedTrainerKind&) = delete;
    LinkedTrainerKind& operator=(const LinkedTrainerKind&) = delete;
};

}  // namespace seqrec::trainer
