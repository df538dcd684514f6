#include "run/job_file.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/error.hpp"

namespace seqrec::trainer {

using nlohmann::json;

Job read_job(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    if (!file) throw Error(sqlstate::kIo, "could not read job file \"" + path + "\"");
    try {
        const json job = json::parse(text.str());
        return {job.at("dataset"),           job.at("model"),          job.at("kind"),
                job.value("init", ""),       job.value("compare", ""), job.value("checkpoint", ""),
                job.value("text_model", ""), job.value("texts", ""),   job.value("options", json::object())};
    } catch (const json::exception& error) {
        throw Error(sqlstate::kInvalidParameter, "job file is not valid: " + std::string(error.what()),
                    R"(It is {"dataset": PATH, "model": PATH, "kind": NAME, "options": {…}}.)");
    }
}

int thread_count(const json& options) {
    const int asked = options.value("threads", 0);
    return asked > 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace seqrec::trainer
