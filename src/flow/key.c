#include "flow/key.h"

/* VLAN and tunnel are in the key only when asked for: then deep lines are read, too.
 */
bool key_scope_equal(const struct flow_table *t, uint32_t index, const struct packet *p)
{
    static const struct flow_deep shallow;
    const struct flow_hot *h = &t->hot[index];
    const struct flow_deep *deep = h->kind & KIND_DEEP ? &t->deep[index] : &shallow;

    if (t->config.vlan_in_key && (h->vlan != p->vlan[0] || deep->inner_vlan != p->vlan[1]))
        return false;
    return !t->config.tunnel_in_key ||
           (deep->tunnel == p->tunnel && (!p->tunnel || deep->tunnel_id == p->tunnel_id));
}
