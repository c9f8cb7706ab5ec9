/* A Cortex-M4 from reset to main, and output by semihosting (SYS_WRITE0, SYS_EXIT_EXTENDED). */
#include <stdint.h>

extern uint32_t data_image, data_begin, data_end, bss_begin, bss_end, stack_top;
int main(void);
void put_text(const char *s);
void reset(void);

static void semihost(int op, const void *argument)
{
    register int r0 __asm("r0") = op;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void put_text(const char *s)
{
    semihost(0x04, s);
}

static void leave(int code)
{
    uint32_t argument[2] = {0x20026, (uint32_t)code};
    semihost(0x20, argument);
    for (;;) {}
}

static void fault(void)
{
    put_text("fault\n");
    leave(99);
}

void reset(void)
{
    const uint32_t *from = &data_image;
    for (uint32_t *to = &data_begin; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_begin; to < &bss_end;)
        *to++ = 0;
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: the FPU */
    __asm volatile("dsb\nisb");
    leave(main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[8] = {
    &stack_top,    (void *)reset, (void *)fault, (void *)fault,
    (void *)fault, (void *)fault, (void *)fault};
