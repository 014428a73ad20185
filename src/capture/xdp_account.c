#include "capture/xdp_account.h"

uint64_t xdp_account_step(struct xdp_account *a, const struct xdp_reading *r, uint64_t now_ns)
{
    uint64_t landed = r->pending + r->delivered + r->missed;

    if (now_ns - a->then_ns < XDP_ACCOUNT_LAG_NS)
        return a->misdirected;
    if (a->steered_then > landed && a->steered_then - landed > a->misdirected)
        a->misdirected = a->steered_then - landed;
    a->then_ns = now_ns;
    a->steered_then = r->steered;
    return a->misdirected;
}
