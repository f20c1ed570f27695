/// What updating and saving the SAC agent have in common. Private to agents/sac*.c.
#pragma once

#include "agents/sac.h"

/// y = r + discount (min Q_target(s', a') - alpha log pi(a'|s')), a' ~ pi(s'); loss = 1/2 sum_k
/// (Q_k(s, a) - y)^2. Where the bonus b has critics of its own, y = r + discount min Q_target(s',
/// a') for the task's and y = b + discount min Q_target(s', a') for those, and their loss is added.
typedef struct {
    mr_graph *graph;
    mr_node *obs, *act, *reward, *discount, *next_obs; // a batch
    mr_node *bonus;                                    // NULL: it has no critics
    mr_node *next_noise;
    mr_node *q; // of the first critic
    mr_node *loss;
} mr_sac_critic_graph;

/// loss = alpha log pi(a|s) - min Q(s, a), a ~ pi(s), less beta min Q of the bonus, for the policy;
/// -log alpha (log pi + target) for the temperature.
typedef struct {
    mr_graph *graph;
    mr_node *obs, *noise;
    mr_node *beta; // [rows x 1]; NULL: the bonus has no critics
    mr_node *log_prob;
    mr_node *actor_loss;
    mr_node *alpha_loss; // NULL where the temperature is fixed
} mr_sac_actor_graph;

struct mr_sac {
    mr_sac_options options;
    mr_policy *policy; // borrowed
    mr_critic *critic;
    mr_critic *bonus_critic; // NULL: the bonus is part of the rewards
    mr_params *temperature;  // log alpha, alone
    mr_param log_alpha;
    mr_adam critic_adam, bonus_adam, actor_adam, alpha_adam;
    mr_real *paid; // [batch_size] for a batch
    mr_sac_critic_graph critic_graph;
    mr_sac_actor_graph actor_graph;
    uint64_t n_updates;
    mr_sac_figures figures;
};
